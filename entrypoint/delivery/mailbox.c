/*
 * A Maildir's files are named by when they were written. So only those are opened that were written
 * when a message with the mark was, and of each the header section alone is read, where `deliver` has
 * put the mark.
 *
 * Who has seen a mark once may write it into as much mail as he likes, and all mail waits for seven
 * deliveries. So nobody's mailbox is looked through for long: what is not found by then is stored
 * again, and goes nowhere else.
 */
#include "mailbox.h"

#include "clock.h"

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a header section; the mark stands near the top, below what hops may have added. */
#define LOOKED_AT 65536
/* Seconds by which a clock may have been set back. */
#define SLACK 3600
/* And for which a message may wait in the queue, between an alias's mark and a mailbox. */
#define QUEUED (5 * 86400)
#define SOUGHT_WITHIN 1000 /* milliseconds */
/* Folders within folders. */
#define DEEPEST 24

/* Of which messages: by the times in their names. And until when, on the monotonic clock. */
struct span {
	long long since, until, end;
};

static bool
has_mark(int folder, const char *name, const struct mark marks[], int count)
{
	static char text[LOOKED_AT];
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t filled = 0, end;
	struct stat status;
	ssize_t size;

	if (fd == -1)
		return false;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		while (filled < sizeof text &&
		    (size = read(fd, text + filled, sizeof text - filled)) > 0)
			filled += (size_t)size;
	close(fd);
	/* Below, a bounce may have the header of what it is about. */
	if ((end = header_end(text, filled, 0)))
		filled = end;
	for (int i = 0; i < count; i++)
		if (memmem(text, filled, marks[i].hmac, MARK_HMAC))
			return true;
	return false;
}

static bool
among_files(int folder, const char *name, const struct mark marks[], int count,
    const struct span *span)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *entry;
	bool found = false;
	DIR *files;

	if (fd == -1 || !(files = fdopendir(fd)))
		return false;
	/* Flags stand behind ":2,": T is for what the person has deleted. */
	while (!found && milliseconds() < span->end && (entry = readdir(files))) {
		const char *flags = strstr(entry->d_name, ":2,");
		long long named = strtoll(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && named >= span->since && named <= span->until &&
		    !(flags && strchr(flags, 'T')))
			found = has_mark(dirfd(files), entry->d_name, marks, count);
	}
	closedir(files);
	return found;
}

/* A folder, and those within it: a Maildir's are beside its cur, new and tmp. */
static bool
in_folder(int folder, const struct mark marks[], int count, const struct span *span, int depth)
{
	/* tmp: a delivery that is not finished yet may have sent this message on. */
	bool found = among_files(folder, "cur", marks, count, span) ||
	    among_files(folder, "new", marks, count, span) ||
	    among_files(folder, "tmp", marks, count, span);
	int copy = found ? -1 : fcntl(folder, F_DUPFD_CLOEXEC, 0);
	struct dirent *entry;
	DIR *inner;

	if (copy == -1 || !(inner = fdopendir(copy)))
		return found;
	while (!found && milliseconds() < span->end && (entry = readdir(inner))) {
		const char *name = entry->d_name;
		int fd;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "cur") == 0 ||
		    strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0 ||
		    strcmp(name, ".Trash") == 0 || strcmp(name, "Trash") == 0 || depth == DEEPEST)
			continue;
		if ((fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) == -1)
			continue;
		found = in_folder(fd, marks, count, span, depth + 1);
		close(fd);
	}
	closedir(inner);
	return found;
}

bool
holds(const char *maildir, const struct mark marks[], int count)
{
	int fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct span span = {.end = milliseconds() + SOUGHT_WITHIN};
	bool found;

	for (int i = 0; i < count; i++) {
		long long time = strtoll(marks[i].time, NULL, 16);

		if (i == 0 || time - SLACK < span.since)
			span.since = time - SLACK;
		if (i == 0 || time + QUEUED > span.until)
			span.until = time + QUEUED;
	}
	if (fd == -1)
		return false;
	found = in_folder(fd, marks, count, &span, 0);
	close(fd);
	return found;
}
