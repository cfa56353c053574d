/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): a full disk does not keep a sender from learning
 * that his message was refused.
 *
 * For a bounce, smtpd's queue writes a new envelope beside that of the message, and then removes the
 * message's, whether the new one could be written or not: without room, nobody heard of it any more.
 *
 * Here, an envelope that the disk does not take is written into memory, and the file that is to be
 * removed becomes its file: it is renamed and written over, which takes neither a block nor an
 * inode. What then still does not fit leaves the old envelope under the new name: the bounce goes on
 * from smtpd's memory, and after a restart the message is refused once more. Where there is no
 * memory, or no renaming, the old envelope is not removed, and read at the next start. As long as the
 * disk takes all, and in every other program, this is idle.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

/* Of queue_fs.c, as its process sees it behind chroot: a message's folder, and an envelope in it. In
 * there, nothing but a bounce is made; what comes by SMTP is in /incoming until it is committed. */
#define FOLDER "/queue/00/00000000/"
#define ENVELOPE FOLDER "0000000000000000"
/* smtpd's own are shorter (sizeof(struct envelope)). */
#define LONGEST 32768

/* As envelope.c writes it of a warning. */
#define DELAYED "\nbounce-type: delayed\n"

static int (*real_open)(const char *, int, ...);
static int (*real_fflush)(FILE *);
static int (*real_unlink)(const char *);

static char old[LONGEST], new[LONGEST]; /* envelopes */
static char bounce[sizeof ENVELOPE]; /* whose envelope was made last; "" where that is done with */
static bool no_room;                 /* the disk did not take it */
static int memory = -1;              /* where it is then */

static void
find_real(void)
{
	*(void **)&real_open = dlsym(RTLD_NEXT, "open");
	*(void **)&real_fflush = dlsym(RTLD_NEXT, "fflush");
	*(void **)&real_unlink = dlsym(RTLD_NEXT, "unlink");
}

static bool
is_envelope(const char *path)
{
	return strncmp(path, "/queue/", strlen("/queue/")) == 0 &&
	    strlen(path) == sizeof ENVELOPE - 1;
}

static bool
of_its_message(const char *path)
{
	return strncmp(path, bounce, sizeof FOLDER - 1) == 0;
}

static void
forget_memory(void)
{
	if (memory != -1)
		close(memory);
	memory = -1;
}

static void
forget(void)
{
	forget_memory();
	bounce[0] = '\0';
	no_room = false;
}

static int
open_memory(void)
{
	forget_memory();
	memory = memfd_create("bounce", MFD_CLOEXEC);
	return memory == -1 ? -1 : fcntl(memory, F_DUPFD_CLOEXEC, 0);
}

/* smtpd writes what it has not been able to write again, under another name, up to 20 times. */
static int
open_bounce(const char *path, int flags, mode_t mode)
{
	bool again = no_room && of_its_message(path);
	int fd, error;

	if (!again)
		forget();
	memcpy(bounce, path, sizeof bounce);
	fd = again ? open_memory() : real_open(path, flags, mode);
	error = errno;
	if (fd == -1 && error == ENOENT)
		forget(); /* somebody has removed the message */
	errno = error;
	return fd;
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	va_start(rest, flags);
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(rest, mode_t);
	va_end(rest);
	FIND_REAL(open);
	if (in_smtpd && flags & O_CREAT) {
		if (flags & O_EXCL && is_envelope(path))
			return open_bounce(path, flags, mode);
		forget(); /* the message's envelope is written again, so it stays */
	}
	return real_open(path, flags, mode);
}

/* Only a message that goes leaves its file to the bounce. That its sender is not warned of a delay is
 * no loss; smtpd finds that it could not be written, as ever. */
int
fflush(FILE *file)
{
	int result;

	FIND_REAL(fflush);
	result = real_fflush(file);
	if (result == 0 && memory != -1) {
		ssize_t length = pread(memory, new, sizeof new, 0);

		if (length > 0 && memmem(new, (size_t)length, DELAYED, sizeof DELAYED - 1)) {
			errno = ENOSPC;
			return EOF;
		}
	}
	return result;
}

/* The envelope of the message is the bounce's now, in name; the text follows, all of it or nothing. */
static void
write_over(int fd)
{
	ssize_t before = pread(fd, old, sizeof old, 0);
	ssize_t after = pread(memory, new, sizeof new, 0);

	if (before < 0 || before == LONGEST || after <= 0 || after == LONGEST)
		return;
	if (pwrite(fd, new, (size_t)after, 0) != after) {
		after = before;
		if (pwrite(fd, old, (size_t)before, 0) != before)
			return;
	}
	if (ftruncate(fd, after) == -1)
		return;
}

static int
become_bounce(const char *path)
{
	int fd;

	if (memory == -1) {
		errno = ENOSPC;
		return -1;
	}
	if (rename(path, bounce) == -1)
		return -1;
	if ((fd = real_open(bounce, O_RDWR | O_CLOEXEC)) != -1) {
		write_over(fd);
		close(fd);
	}
	return 0;
}

int
unlink(const char *path)
{
	int result, error;

	FIND_REAL(unlink);
	if (bounce[0] == '\0' || !is_envelope(path))
		return real_unlink(path);
	if (strcmp(path, bounce) == 0) {
		no_room = true; /* smtpd removes what it could not make or write */
		forget_memory();
		return real_unlink(path);
	}
	result = no_room && of_its_message(path) ? become_bounce(path) : real_unlink(path);
	error = errno;
	forget();
	errno = error;
	return result;
}
