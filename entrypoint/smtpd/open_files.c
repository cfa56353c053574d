/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): how many files it has open, not one by one.
 *
 * Before it reads what another of its processes sends, smtpd counts its descriptors, since one that
 * is passed to a full table is lost: up to nine times a mail, by glob() of all in /proc/PID/fd. Each
 * session in DATA behind a filter is one more in its lookup process, and so slows down all others.
 * Since Linux 6.2 the size of that folder is their number, by one stat().
 *
 * That it is so is seen in each process, once, beside what glob finds; a kernel that says something
 * else, or no /proc behind chroot, leaves all to glob. So does a table that is nearly full: there,
 * smtpd decides by what it has always decided by. In every other program this is idle.
 */
#include <sys/stat.h>

#include <dlfcn.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

/* More than smtpd wants to be free anywhere (SMTP_FD_RESERVE, CONTROL_FD_RESERVE: 5). */
#define NEARLY_FULL 64

typedef int glob_function(const char *, int, int (*)(const char *, int), glob_t *);

/* What glob would count in a process's own folder, its descriptor of that folder included; 0 where
 * it takes glob to know. */
static size_t
counted(const char *pattern)
{
	char folder[sizeof("/proc//fd") + 20], own[sizeof(folder) + 2];
	struct stat status;

	snprintf(folder, sizeof(folder), "/proc/%ld/fd", (long)getpid());
	snprintf(own, sizeof(own), "%s/*", folder);
	if (strcmp(pattern, own) != 0 || stat(folder, &status) == -1 || status.st_size <= 0)
		return 0;
	return (size_t)status.st_size + 1;
}

int
glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *found)
{
	static glob_function *real;
	static bool compared, same;
	size_t count = 0;
	int result, before = errno;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "glob");
	if (in_smtpd && flags == 0 && on_error == NULL && (same || !compared))
		count = counted(pattern);
	if (count > 0 && same && count + NEARLY_FULL < (size_t)getdtablesize()) {
		/* globfree() frees nothing where there are no paths; smtpd takes the number alone. */
		*found = (glob_t){ .gl_pathc = count };
		errno = before;
		return 0;
	}
	errno = before;
	result = real(pattern, flags, on_error, found);
	if (count > 0 && result == 0 && !compared) {
		compared = true;
		same = found->gl_pathc == count;
	}
	return result;
}
