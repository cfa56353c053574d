/*
 * A Maildir's files are named by when they were written. So only those are opened that are not older
 * than the mark, and of each the header section alone is read, where `deliver` has put the mark.
 */
#include "mailbox.h"

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
/* Folders within folders. */
#define DEEPEST 24

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
among_files(int folder, const char *name, const struct mark marks[], int count, long long since)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *entry;
	bool found = false;
	DIR *files;

	if (fd == -1 || !(files = fdopendir(fd)))
		return false;
	/* Flags stand behind ":2,": T is for what the person has deleted. */
	while (!found && (entry = readdir(files))) {
		const char *flags = strstr(entry->d_name, ":2,");

		if (entry->d_name[0] != '.' && strtoll(entry->d_name, NULL, 10) >= since &&
		    !(flags && strchr(flags, 'T')))
			found = has_mark(dirfd(files), entry->d_name, marks, count);
	}
	closedir(files);
	return found;
}

/* A folder, and those within it: a Maildir's are beside its cur, new and tmp. */
static bool
in_folder(int folder, const struct mark marks[], int count, long long since, int depth)
{
	/* tmp: a delivery that is not finished yet may have sent this message on. */
	bool found = among_files(folder, "cur", marks, count, since) ||
	    among_files(folder, "new", marks, count, since) ||
	    among_files(folder, "tmp", marks, count, since);
	int copy = found ? -1 : fcntl(folder, F_DUPFD_CLOEXEC, 0);
	struct dirent *entry;
	DIR *inner;

	if (copy == -1 || !(inner = fdopendir(copy)))
		return found;
	while (!found && (entry = readdir(inner))) {
		const char *name = entry->d_name;
		int fd;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "cur") == 0 ||
		    strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0 ||
		    strcmp(name, ".Trash") == 0 || strcmp(name, "Trash") == 0 || depth == DEEPEST)
			continue;
		if ((fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) == -1)
			continue;
		found = in_folder(fd, marks, count, since, depth + 1);
		close(fd);
	}
	closedir(inner);
	return found;
}

bool
holds(const char *maildir, const struct mark marks[], int count)
{
	int fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long long since = 0, time;
	bool found;

	for (int i = 0; i < count; i++) {
		time = strtoll(marks[i].time, NULL, 16) - SLACK;
		if (i == 0 || time < since)
			since = time;
	}
	if (fd == -1)
		return false;
	found = in_folder(fd, marks, count, since, 0);
	close(fd);
	return found;
}
