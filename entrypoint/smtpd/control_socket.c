/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): who may reach its control socket.
 *
 * Who reaches it controls smtpd, hands in mail as anybody, and can end smtpd with a few bytes.
 * smtpd lets everybody: its control process, as root, binds the socket with 0660, which is root's
 * own group, and then gives it 0666. In that chmod's place the socket gets its group, so that at no
 * time anybody else may connect: root, and whom root runs with that group (smtpctl, Dovecot's LMTP
 * for Sieve). Where that fails, smtpd does not start. In every other program this is idle.
 */
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

/* SMTPD_SOCKET of Debian's smtpd. */
#define CONTROL_SOCKET "/var/run/smtpd.sock"
#define GROUP "opensmtpq"

typedef int chmod_function(const char *, mode_t);

int
chmod(const char *path, mode_t mode)
{
	chmod_function *real;
	struct group *group;

	*(void **)&real = dlsym(RTLD_NEXT, "chmod");
	if (strcmp(path, CONTROL_SOCKET) != 0)
		return real(path, mode);
	errno = 0;
	if ((group = getgrnam(GROUP)) == NULL) {
		errno = errno ? errno : ENOENT;
		return -1;
	}
	if (real(path, S_IRUSR | S_IWUSR) == -1 || chown(path, (uid_t)-1, group->gr_gid) == -1)
		return -1;
	return real(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP);
}
