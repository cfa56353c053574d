/*
 * smtpd's delivery (`mda`): hands one message on, and never a part of one.
 *
 *     deliver [--junk-filter] DELIMITER       to Dovecot, by LMTP
 *     deliver DELIMITER FOLDER COMMAND...     to the command's standard input, which is a file
 *                                             without a name in FOLDER that holds the message
 *
 * smtpd's parent process forks this and passes the pipe's other end to its dispatcher. When the
 * dispatcher dies, the pipe ends as if the message were complete. So the end of the pipe counts
 * only while dispatcher and parent live, and until then nothing is done that could store the
 * message: LMTP's last dot is not sent, the command is not started.
 *
 * What stands on top of a stored message (RFC 5321, 4.4) stands there once, and is written here or by
 * Dovecot, not by smtpd as well. A mark is among it, by which this delivery is known if the message
 * comes back (mark.c): it is stored then if it is not there yet, and no script sends it on again.
 * With --junk-filter it also says what the account's junk filter says of it (verdict.c).
 *
 * smtpd bounces at once for every exit status but 71 and 75, so nothing but 0, 69 and 75 leaves
 * here: 69 where a recipient is gone or Dovecot refuses for good, 75 where it may go well later.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mailbox.h"
#include "verdict.h"

#define MAILBOXES "/run/signpost/mailboxes"
#define MARK_KEY "/run/signpost/marks/vmail"
#define MAIL "/data/mail"
#define LMTP "/run/dovecot/lmtp"
/* argv[0] of smtpd's process that writes the message. */
#define FEEDER "smtpd: dispatcher"

/* Tells Sieve that the message has come back (templates/dovecot/returned.sieve). */
#define RETURNED "X-Signpost-Returned"

/* Nobody's header section is as long; Dovecot reads 10 MB of one. */
#define LONGEST_HEADER (8 << 20)

/* For all of it: smtpd kills its agents after 300 seconds, and then nobody learns the cause. */
#define DELIVERED_WITHIN 280
/* For each answer of Dovecot's but the last, which comes when Sieve has run. */
#define ANSWERED_WITHIN 60

/* linux/sched.h; the kernel sets it before it closes what a dying process has open. */
#define PF_EXITING 0x00000004UL

enum { DELIVERED = 0, REFUSED = 69, LATER = 75 };

struct process {
	pid_t pid, parent;
	char name[32]; /* of the program, as the kernel has it */
	char state;
	unsigned long flags;
	unsigned long long start; /* with the pid: this very process, not a later one */
};

static struct process parent, feeder;

__attribute__((noreturn, format(printf, 2, 3))) static void
end(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	fflush(stderr);
	_exit(status);
}

static void
too_late(int number)
{
	static const char said[] = "the message could not be delivered in time\n";

	(void)number;
	if (write(STDERR_FILENO, said, sizeof said - 1) == -1)
		_exit(LATER);
	_exit(LATER);
}

/* --- the recipient ------------------------------------------------------------------------- */

/* Where the tag of an address begins, with its delimiter; where there is none, at the @. */
static const char *
tag_of(const char *address, const char *delimiter)
{
	const char *at = strrchr(address, '@');
	const char *end = at ? at : address + strlen(address);
	const char *tag = memmem(address, (size_t)(end - address), delimiter, strlen(delimiter));

	return tag ? tag : end;
}

/* The mailbox of an address: in lower case, without its sub-address. */
static char *
mailbox_of(const char *recipient, const char *delimiter)
{
	const char *at = strrchr(recipient, '@');
	char *address;

	if (asprintf(&address, "%.*s@%s", (int)(tag_of(recipient, delimiter) - recipient), recipient,
	        at ? at + 1 : recipient) == -1)
		end(LATER, "out of memory");
	for (char *c = address; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return address;
}

/* Of smtpd's making (SRS): what stands in it is no tag. */
static bool
is_rewritten(const char *address)
{
	return strncasecmp(address, "SRS0", 4) == 0 || strncasecmp(address, "SRS1", 4) == 0;
}

/*
 * The address in a mailbox's, with its tag. On the way through an alias smtpd drops the tag of the
 * address that the mail was written to (ORIGINAL_RECIPIENT), so it is taken from there. A tag that
 * begins with ~ is of the table of aliases (entrypoint/config/expansion.py): "~" is none, and
 * "~=TAG" is TAG, whatever stands in the other. An SRS address has no tag.
 */
static const char *
with_tag(const char *recipient, const char *original, const char *delimiter)
{
	const char *at = strrchr(recipient, '@'), *last = original ? strrchr(original, '@') : NULL;
	const char *own, *tag = NULL;
	char *address;
	int length, size = 0;

	if (!at)
		return recipient;
	own = tag_of(recipient, delimiter);
	length = (int)(own - recipient);
	if (own < at && (own += strlen(delimiter)) < at) {
		if (strncmp(own, "~=", 2) == 0) {
			tag = own + 2;
			size = (int)(at - tag);
		} else if (own[0] != '~' || own + 1 != at)
			return recipient;
	}
	if (!tag && last && !is_rewritten(original) && (tag = tag_of(original, delimiter)) < last) {
		tag += strlen(delimiter);
		size = (int)(last - tag);
	}
	if (asprintf(&address, "%.*s%s%.*s%s", length, recipient, size ? delimiter : "", size,
	        size ? tag : "", at) == -1)
		end(LATER, "out of memory");
	return address;
}

/*
 * The address that the mail was written to, with the tag that counts for the mailbox: so Sieve sees
 * both (RFC 5228, 5.4), and an alias may take a tag off or give one.
 */
static const char *
written_to(const char *original, const char *recipient, const char *delimiter)
{
	const char *at = strrchr(original, '@'), *tag = tag_of(recipient, delimiter);
	char *address;

	if (is_rewritten(original))
		return original;
	if (asprintf(&address, "%.*s%.*s%s", (int)(tag_of(original, delimiter) - original), original,
	        (int)strcspn(tag, "@"), tag, at ? at : "") == -1)
		end(LATER, "out of memory");
	return address;
}

/*
 * smtpd looks an address up when it takes the mail and never again: what waits in the queue for
 * an account that is removed meanwhile comes here.
 */
static void
check_recipient(const char *address)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool failed;
	FILE *list = fopen(MAILBOXES, "re");

	if (!list)
		return; /* It says nothing of the account. */
	while ((length = getline(&line, &size, list)) != -1) {
		if (length && line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strcmp(line, address) == 0) {
			fclose(list);
			free(line);
			return;
		}
	}
	failed = ferror(list);
	fclose(list);
	free(line);
	if (!failed)
		end(REFUSED, "550 5.1.1 <%s>: there is no such account any more", address);
}

/* --- who writes the message ---------------------------------------------------------------- */

static ssize_t
read_proc(pid_t pid, const char *name, char *content, size_t size)
{
	char path[64];
	ssize_t length, all = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	while ((size_t)all < size - 1) {
		length = read(fd, content + all, size - 1 - (size_t)all);
		if (length == -1 && errno == EINTR)
			continue;
		if (length <= 0)
			break;
		all += length;
	}
	close(fd);
	content[all] = '\0';
	return all;
}

/* Whether there is such a process; proc_pid_stat(5). */
static bool
look_at(pid_t pid, struct process *seen)
{
	char stat[2048], *name, *rest;
	int above;

	/* The name in parentheses may hold parentheses. */
	if (read_proc(pid, "stat", stat, sizeof stat) <= 0 || !(name = strchr(stat, '(')) ||
	    !(rest = strrchr(name, ')')))
		return false;
	seen->pid = pid;
	snprintf(seen->name, sizeof seen->name, "%.*s", (int)(rest - name - 1), name + 1);
	if (sscanf(rest + 1,
	        " %c %d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	        &seen->state, &above, &seen->flags, &seen->start) != 4)
		return false;
	seen->parent = above;
	return true;
}

static bool
lives(const struct process *known)
{
	struct process now;

	return look_at(known->pid, &now) && now.start == known->start &&
	    now.parent == known->parent && now.state != 'Z' && now.state != 'X' &&
	    !(now.flags & PF_EXITING);
}

/* One more feeder, if the process is one: how many there are then. */
static int
count_feeder(pid_t pid, int found)
{
	struct process seen;
	char title[sizeof FEEDER];

	/* The name: who adopts the agent of a dead smtpd adopts its dispatcher, too. */
	if (!look_at(pid, &seen) || seen.parent != parent.pid ||
	    strcmp(seen.name, parent.name) != 0)
		return found;
	if (read_proc(pid, "cmdline", title, sizeof title) < (ssize_t)sizeof title - 1 ||
	    memcmp(title, FEEDER, sizeof title - 1) != 0)
		return found;
	feeder = seen;
	return found + 1;
}

static int
among_children(void)
{
	char name[64], children[16384], *next = children, *after;
	int found = 0;
	long pid;

	/* Not every kernel has this file, and what it lists may lack one while others end. */
	snprintf(name, sizeof name, "task/%d/children", (int)parent.pid);
	if (read_proc(parent.pid, name, children, sizeof children) <= 0)
		return 0;
	while ((pid = strtol(next, &after, 10)) > 0 && after != next) {
		found = count_feeder((pid_t)pid, found);
		next = after;
	}
	return found;
}

static int
among_all(void)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	if (!all)
		return 0;
	while ((entry = readdir(all)))
		if (isdigit((unsigned char)entry->d_name[0]))
			found = count_feeder((pid_t)atoi(entry->d_name), found);
	closedir(all);
	return found;
}

static void
find_feeder(void)
{
	int found;

	if (!look_at(getppid(), &parent))
		end(LATER, "the process that asked for the delivery is gone");
	if ((found = among_children()) == 0)
		found = among_all();
	if (found != 1)
		end(LATER, "process %d has %d children named \"%s\", not one: who writes the message?",
		    (int)parent.pid, found, FEEDER);
}

/* The pipe is at its end: is that the end of the message? */
static void
check_feeder(bool anything)
{
	/* The parent may die with the pipe's other end still in its hands; it has written nothing. */
	if (!anything || getppid() != parent.pid || !lives(&parent) || !lives(&feeder))
		end(LATER, "smtpd ended before the message did; nothing was stored");
}

/* Some of the message; 0 at its end. */
static size_t
read_message(char *content, size_t size)
{
	static bool anything;
	ssize_t length;

	while ((length = read(STDIN_FILENO, content, size)) == -1)
		if (errno != EINTR)
			end(LATER, "read: %s", strerror(errno));
	if (length == 0)
		check_feeder(anything);
	anything = true;
	return (size_t)length;
}

static void
write_all(int fd, const char *content, size_t size, const char *what)
{
	while (size) {
		ssize_t length = write(fd, content, size);

		if (length == -1 && errno == EINTR)
			continue;
		if (length == -1 && errno == EAGAIN)
			end(LATER, "%s: nothing was taken for %d seconds", what, ANSWERED_WITHIN);
		if (length == -1)
			end(LATER, "%s: %s", what, strerror(errno));
		content += length;
		size -= (size_t)length;
	}
}

/* --- its header ---------------------------------------------------------------------------- */

/* The header section, and what was read with it, until `read_part` has handed it on. */
static struct header header;

/* Room for `size` more bytes. */
static void
grow(size_t size)
{
	char *grown = realloc(header.text, header.filled + size);

	if (!grown)
		end(LATER, "out of memory");
	header.text = grown;
}

/*
 * The rest of a header section that is too long is text from here on: nobody has looked whether a
 * field of ours is in it, and Sieve would believe that.
 */
static void
end_header(void)
{
	const char *last = memrchr(header.text, '\n', header.filled);
	size_t at;

	if (!last)
		return;
	at = (size_t)(last - header.text) + 1;
	grow(1);
	memmove(header.text + at + 1, header.text + at, header.filled - at);
	header.text[at] = '\n';
	header.filled++;
	header.size = at + 1;
}

static void
read_header(void)
{
	const size_t step = 65536;
	size_t size;

	do {
		size_t from = header.filled;

		grow(step);
		size = read_message(header.text + from, step);
		header.filled += size;
		header.size = header_end(header.text, header.filled, from);
	} while (size && !header.size && header.filled < LONGEST_HEADER);
	if (!header.size && size)
		end_header();
	if (!header.size)
		header.size = header.filled;
}

/* As much as is judged, of a message that has as much. */
static void
read_on(void)
{
	size_t size = 1;

	if (header.filled < JUDGED)
		grow(JUDGED - header.filled);
	for (; size && header.filled < JUDGED; header.filled += size)
		size = read_message(header.text + header.filled, JUDGED - header.filled);
}

/* In front of the header: one field. */
__attribute__((format(printf, 1, 2))) static void
put_on_top(const char *format, ...)
{
	va_list arguments;
	char *line;
	int length;

	va_start(arguments, format);
	length = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (length == -1)
		end(LATER, "out of memory");
	if (strcspn(line, "\r\n") != (size_t)length - 1)
		end(LATER, "an address with a line's end in it");
	grow((size_t)length);
	memmove(header.text + length, header.text, header.filled);
	memcpy(header.text, line, (size_t)length);
	header.size += (size_t)length;
	header.filled += (size_t)length;
	free(line);
}

/* Some of the message as it is stored; 0 at its end. */
static size_t
read_part(char *content, size_t size)
{
	static size_t read;

	if (read == header.filled)
		return read_message(content, size);
	if (size > header.filled - read)
		size = header.filled - read;
	memcpy(content, header.text + read, size);
	read += size;
	return size;
}

/*
 * One after the other, so that of two branches of a loop the second finds what the first stored. The
 * command that this becomes keeps the lock until it has ended.
 */
static void
lock_home(const char *home)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/.deliver.lock", home) == -1)
		end(LATER, "out of memory");
	if ((fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600)) != -1)
		while (flock(fd, LOCK_EX) == -1 && errno == EINTR)
			;
	free(path);
}

/* The message was delivered here before: once is enough. */
static void
end_if_stored(const char *mailbox, const struct mark marks[], int count)
{
	static char rest[65536];
	const char *at = strrchr(mailbox, '@');
	char *home, *maildir;

	if (!at || strchr(mailbox, '/'))
		return;
	if (asprintf(&home, MAIL "/%s/%.*s", at + 1, (int)(at - mailbox), mailbox) == -1 ||
	    asprintf(&maildir, "%s/Maildir", home) == -1)
		end(LATER, "out of memory");
	lock_home(home);
	if (holds(maildir, marks, count)) {
		while (read_part(rest, sizeof rest))
			;
		_exit(DELIVERED);
	}
	free(maildir);
	free(home);
}

/*
 * The marks by which the message has been here before; how many. What an alias sends elsewhere, too,
 * is marked each time: by the second mark it has come back to the alias, and was delivered then.
 */
static int
find_earlier(const char *mailbox, const char *alias, struct mark marks[MOST_MARKS])
{
	int count = find_marks(&header, DELIVERED_FIELD, mailbox, marks);

	if (count == 0 && (count = find_marks(&header, FORWARDED_FIELD, alias, marks)))
		memmove(marks, marks + 1, (size_t)--count * sizeof *marks);
	return count;
}

/*
 * What stands on top is ours; `original` is the recipient before aliases. What has come back is
 * judged again: whoever has seen its mark can put it into a message of his own.
 */
static void
write_header(const char *mailbox, const char *alias, const char *recipient, const char *original,
    const char *sender, bool judge)
{
	struct mark marks[MOST_MARKS];
	const char *facts, *verdict = "";
	bool marked;
	int count = 0;

	read_header();
	/* smtpd's own two; then of strangers what only the last server writes (RFC 5321, 4.4), and us. */
	drop_first(&header, "Return-Path");
	drop_first(&header, "Delivered-To");
	drop_fields(&header, "Return-Path");
	drop_fields(&header, RETURNED);
	drop_fields(&header, JUNK_FIELD);
	facts = facts_of(&header);
	drop_fields(&header, FACTS_FIELD);
	if ((marked = read_key(MARK_KEY))) {
		if ((count = find_earlier(mailbox, alias, marks)))
			end_if_stored(mailbox, marks, count);
		else
			new_mark(&header, mailbox, &marks[0]);
	}
	if (judge) {
		read_on();
		verdict = ask_for_verdict(mailbox, sender, marked && !count ? marks[0].hmac : "", facts,
		    &header);
	}
	if (count)
		put_on_top(RETURNED ": yes\n");
	else if (marked)
		put_on_top(DELIVERED_FIELD ": %s %s\n", marks[0].time, marks[0].hmac);
	if (strcasecmp(original, recipient) != 0)
		put_on_top("X-Original-To: %s\n", original);
	if (*verdict)
		put_on_top(JUNK_FIELD ": %s\n", verdict);
}

/* --- LMTP (RFC 2033) ----------------------------------------------------------------------- */

static void
wait_at_most(int lmtp, int seconds)
{
	struct timeval time = {.tv_sec = seconds};

	if (setsockopt(lmtp, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == -1 ||
	    setsockopt(lmtp, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == -1)
		end(LATER, "setsockopt: %s", strerror(errno));
}

static int
connect_lmtp(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LMTP};
	int lmtp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (lmtp == -1)
		end(LATER, "socket: %s", strerror(errno));
	wait_at_most(lmtp, ANSWERED_WITHIN); /* connect, too */
	if (connect(lmtp, (struct sockaddr *)&address, sizeof address) == -1)
		end(LATER, "connect: %s", strerror(errno));
	return lmtp;
}

/* One line, without its end. */
static void
read_line(int lmtp, char *line, size_t size)
{
	static char kept[4096];
	static size_t at, filled;
	size_t length = 0;

	for (;;) {
		if (at == filled) {
			ssize_t more = read(lmtp, kept, sizeof kept);

			if (more == -1 && errno == EINTR)
				continue;
			if (more == -1 && errno == EAGAIN)
				end(LATER, "no answer from the LMTP server");
			if (more == -1)
				end(LATER, "read: %s", strerror(errno));
			if (more == 0)
				end(LATER, "unexpected EOF from LMTP server");
			at = 0;
			filled = (size_t)more;
		}
		char c = kept[at++];
		if (c == '\n')
			break;
		if (c != '\r' && c != '\0' && length < size - 1)
			line[length++] = c;
	}
	line[length] = '\0';
}

/* The answer has to begin with this digit. */
static void
expect(int lmtp, char digit)
{
	char line[1024];
	int status = LATER;

	do {
		read_line(lmtp, line, sizeof line);
		if (strlen(line) < 3 || !isdigit((unsigned char)line[0]) ||
		    !isdigit((unsigned char)line[1]) || !isdigit((unsigned char)line[2]) ||
		    (line[3] != ' ' && line[3] != '-' && line[3] != '\0'))
			end(LATER, "LMTP server sent an invalid line");
	} while (line[3] == '-');
	if (line[0] == digit)
		return;
	/*
	 * smtpd knew the address: where Dovecot does not, its list of accounts is behind. The quota
	 * of a file system (EDQUOT) is a full disk's kind and passes; a mailbox's has another text.
	 */
	if (line[0] == '5' && strncmp(line, "550 5.1.1 ", 10) != 0 &&
	    !strstr(line, "Not enough disk quota"))
		status = REFUSED;
	end(status, "%s", line);
}

static void
say(int lmtp, const char *format, const char *address)
{
	char *line;
	int length;

	if (strpbrk(address, "\r\n"))
		end(LATER, "an address with a line's end in it");
	if ((length = asprintf(&line, format, address)) == -1)
		end(LATER, "out of memory");
	write_all(lmtp, line, (size_t)length, "LMTP");
	free(line);
}

/* Lines end in CRLF there, and one that begins with a dot gets another (RFC 5321, 4.5.2). */
static void
send_message(int lmtp)
{
	static char in[65536], out[2 * sizeof in + 2];
	bool begins = true;
	size_t size, length;

	while ((size = read_part(in, sizeof in))) {
		length = 0;
		for (size_t i = 0; i < size; i++) {
			if (begins && in[i] == '.')
				out[length++] = '.';
			begins = in[i] == '\n';
			if (begins)
				out[length++] = '\r';
			out[length++] = in[i];
		}
		write_all(lmtp, out, length, "LMTP");
	}
	if (!begins)
		write_all(lmtp, "\r\n", 2, "LMTP");
}

/*
 * Whom it was for (RFC 3461): an alias that points here is an address of the account, which vacation
 * knows by this. Dovecot refuses the whole mail for an ORCPT that it cannot read, so an address in
 * other than plain letters goes without.
 */
static void
say_recipient(int lmtp, const char *recipient, const char *original)
{
	const char *at = strrchr(original, '@');
	char *both, *text = calloc(3, strlen(original) + 1);
	size_t length = 0;

	if (!text)
		end(LATER, "out of memory");
	for (const char *c = original; at && *c; c++) {
		bool dot = *c == '.' && c != original && !strchr(".@", c[-1]) && c[1] && !strchr(".@", c[1]);

		if (!isalnum((unsigned char)*c) && !dot && c != at &&
		    !(c < at && strchr("!#$%&'*+-/=?^_`{|}~", *c)) && !(c > at && *c == '-'))
			at = NULL;
		length += (size_t)sprintf(text + length, *c == '+' || *c == '=' ? "+%02X" : "%c", *c);
	}
	if (!at || at == original || !at[1])
		say(lmtp, "RCPT TO:<%s>\r\n", recipient);
	else {
		if (asprintf(&both, "%s> ORCPT=rfc822;%s", recipient, text) == -1)
			end(LATER, "out of memory");
		say(lmtp, "RCPT TO:<%s\r\n", both);
		free(both);
	}
	free(text);
}

__attribute__((noreturn)) static void
deliver_to_dovecot(const char *sender, const char *recipient, const char *original)
{
	int lmtp = connect_lmtp();

	expect(lmtp, '2');
	say(lmtp, "LHLO %s\r\n", "localhost");
	expect(lmtp, '2');
	say(lmtp, "MAIL FROM:<%s>\r\n", sender);
	expect(lmtp, '2');
	say_recipient(lmtp, recipient, original);
	expect(lmtp, '2');
	say(lmtp, "DATA%s\r\n", "");
	expect(lmtp, '3');
	send_message(lmtp);
	say(lmtp, ".%s\r\n", "");
	wait_at_most(lmtp, DELIVERED_WITHIN);
	expect(lmtp, '2');
	/* It is stored. Whatever comes of QUIT changes nothing. */
	if (write(lmtp, "QUIT\r\n", 6) == -1)
		_exit(DELIVERED);
	_exit(DELIVERED);
}

/* --- another program ----------------------------------------------------------------------- */

static int
file_without_name(const char *folder)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/.deliver.XXXXXX", folder) == -1)
		end(LATER, "out of memory");
	if ((fd = mkostemp(path, O_CLOEXEC)) == -1)
		end(LATER, "%s: %s", path, strerror(errno));
	if (unlink(path) == -1)
		end(LATER, "%s: %s", path, strerror(errno));
	free(path);
	return fd;
}

__attribute__((noreturn)) static void
deliver_to(const char *folder, char **command)
{
	static char content[65536];
	int message = file_without_name(folder);
	size_t size;

	while ((size = read_part(content, sizeof content)))
		write_all(message, content, size, folder);
	/* From here on the message is whole, whoever dies. The command keeps smtpd's alarm. */
	if (lseek(message, 0, SEEK_SET) == -1 || dup2(message, STDIN_FILENO) == -1)
		end(LATER, "%s: %s", folder, strerror(errno));
	signal(SIGALRM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execv(command[0], command);
	end(LATER, "%s: %s", command[0], strerror(errno));
}

int
main(int argc, char **argv)
{
	const char *sender = getenv("SENDER"), *recipient = getenv("RECIPIENT");
	const char *original = getenv("ORIGINAL_RECIPIENT");
	bool judge = argc > 1 && strcmp(argv[1], "--junk-filter") == 0;
	char *mailbox;

	argc -= judge;
	argv += judge;
	if ((argc != 2 && argc < 4) || !*argv[1] || !sender || !recipient)
		end(LATER, "usage: SENDER=... RECIPIENT=... deliver [--junk-filter] DELIMITER "
		    "[FOLDER COMMAND...]");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, too_late);
	alarm(DELIVERED_WITHIN);
	find_feeder();
	recipient = with_tag(recipient, original, argv[1]);
	mailbox = mailbox_of(recipient, argv[1]);
	check_recipient(mailbox);
	if (!original || !*original)
		original = recipient;
	write_header(mailbox, mailbox_of(original, argv[1]), recipient, original, sender,
	    judge && argc == 2);
	if (argc == 2)
		deliver_to_dovecot(sender, recipient, written_to(original, recipient, argv[1]));
	put_on_top("Delivered-To: %s\n", recipient);
	put_on_top("Return-Path: <%s>\n", sender);
	deliver_to(argv[2], argv + 3);
}
