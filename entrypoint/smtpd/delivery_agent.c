/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): a delivery costs no shell and no file on a disk.
 *
 * smtpd starts its delivery agent by /bin/sh -c "exec COMMAND", and what the agent says goes to a file
 * in /tmp that is removed at once. Here, where the command is our own `deliver`, it is started in the
 * shell's place, and the file lies in memory: the shell took as long as all that `deliver` does,
 * and nothing waits for a slow disk.
 *
 * Nothing that means something to a shell is read here. The command is taken apart at its spaces only
 * where all its characters stand for themselves, bare or between two quotation marks; smtpd has put
 * the recipient's address into it (smtpd.conf). Every other command is the shell's, and so
 * is one that cannot be started.
 */
#include <sys/mman.h>

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include "in_smtpd.h"

#define SHELL "/bin/sh"
#define COMMAND "exec /usr/local/libexec/deliver "
/* As forkmda in smtpd.c has it. */
#define OUTPUT "/tmp/smtpd.out."
/* They mean nothing to a shell, wherever in a word they stand. */
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_./:@=,"
/* smtpd's is never longer; what is longer is left to the shell. */
#define MOST_WORDS 16
#define LONGEST 4096

static int (*real_mkstemp)(char *);

static void
find_real(void)
{
	*(void **)&real_mkstemp = dlsym(RTLD_NEXT, "mkstemp");
}

/* The word's end, NULL where it is the shell's to read. *word is without its quotation marks then. */
static char *
end_of(char **word)
{
	char *end;

	if (**word != '"') {
		end = *word + strspn(*word, PLAIN);
		return end > *word && (*end == ' ' || *end == '\0') ? end : NULL;
	}
	++*word;
	end = *word + strspn(*word, PLAIN);
	return *end == '"' && (end[1] == ' ' || end[1] == '\0') ? end : NULL;
}

/* How many words the command has, which is cut up; 0 where it is the shell's. */
static int
split(char *command, char *words[MOST_WORDS + 1])
{
	int count = 0;

	for (char *word = command, *end; count < MOST_WORDS; word = end + 1) {
		bool quoted = *word == '"', last;

		if ((end = end_of(&word)) == NULL)
			return 0;
		words[count++] = word;
		last = end[quoted] == '\0';
		*end = '\0';
		end += quoted;
		if (last) {
			words[count] = NULL;
			return count;
		}
	}
	return 0;
}

static void
deliver(const char *command, char *const environment[])
{
	char text[LONGEST], *words[MOST_WORDS + 1];
	size_t length = strlen(command);

	if (length >= sizeof text || strncmp(command, COMMAND, sizeof COMMAND - 1) != 0)
		return;
	memcpy(text, command, length + 1);
	if (split(text + strlen("exec "), words))
		execve(words[0], words, environment);
}

int
execle(const char *path, const char *argument, ...)
{
	va_list rest;
	size_t count = 1;

	va_start(rest, argument);
	while (va_arg(rest, const char *))
		count++;
	va_end(rest);

	const char *words[count + 1];
	char *const *environment;

	words[0] = argument;
	va_start(rest, argument);
	for (size_t i = 1; i <= count; i++)
		words[i] = va_arg(rest, const char *);
	environment = va_arg(rest, char *const *);
	va_end(rest);
	if (in_smtpd && count == 3 && strcmp(path, SHELL) == 0 && strcmp(words[1], "-c") == 0)
		deliver(words[2], environment);
	return execve(path, (char *const *)(const void *)words, environment);
}

int
mkstemp(char *template)
{
	int fd = -1;

	FIND_REAL(mkstemp);
	/* The name is as good as it was: smtpd removes it, and looks at it no more. */
	if (in_smtpd && strncmp(template, OUTPUT, sizeof OUTPUT - 1) == 0)
		fd = memfd_create(template, MFD_CLOEXEC);
	return fd != -1 ? fd : real_mkstemp(template);
}
