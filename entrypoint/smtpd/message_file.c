/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): what the disk did not take is not answered 250.
 *
 * dispatcher writes a message through a buffer, and does not look whether the last of it could be
 * written when it closes the file. On a disk that has just become full, a small message was
 * answered 250, and a file without a byte was in the queue; of a larger one the end was missing.
 *
 * Here, a file whose rest cannot be written is emptied, and an empty file does not become the
 * message of a queue: no message is empty, since smtpd writes the first field of each itself. The
 * queue says no then, and the client is told to try again (421). In every other program this is idle.
 */
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

static int (*real_fclose)(FILE *);
static int (*real_rename)(const char *, const char *);

static void
find_real(void)
{
	*(void **)&real_fclose = dlsym(RTLD_NEXT, "fclose");
	*(void **)&real_rename = dlsym(RTLD_NEXT, "rename");
}

int
fclose(FILE *file)
{
	int error;

	FIND_REAL(fclose);
	if (!in_smtpd || __fpending(file) == 0 || fflush(file) == 0)
		return real_fclose(file);
	error = errno;
	/* Nothing else could keep this from being answered 250. A socket or a pipe is no message. */
	if (ftruncate(fileno(file), 0) == -1 && errno != EINVAL)
		abort();
	__fpurge(file); /* else it is tried again, at its old place */
	real_fclose(file);
	errno = error;
	return EOF;
}

/* queue_fs_message_commit: the file that dispatcher wrote becomes incoming/ID/message. */
int
rename(const char *from, const char *to)
{
	const char *name = strrchr(to, '/');
	struct stat status;

	FIND_REAL(rename);
	if (in_smtpd && name != NULL && strcmp(name, "/message") == 0 && stat(from, &status) == 0 &&
	    S_ISREG(status.st_mode) && status.st_size == 0) {
		errno = ENOSPC;
		return -1;
	}
	return real_rename(from, to);
}
