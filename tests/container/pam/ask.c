/*
 * ask FOLDER SERVICE LOGIN ADDRESS COUNT PAUSE: asks the service's file in the folder COUNT times,
 * with the password of standard input, as a program does that has timers and a child to reap; PAUSE
 * milliseconds between them. ADDRESS "-" is none. Prints a line of JSON, with `left` if a piece of
 * the password was found on the stack afterwards. PAUSE -1: no timers and no child, for a signal
 * saves the registers there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>

#define PIECE 100

static char password[65536];
static volatile sig_atomic_t alarms, reaped;
static int left;

static void
on_alarm(int number)
{
	(void)number;
	alarms = alarms + 1;
}

static void
on_child(int number)
{
	int saved = errno;

	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		reaped = reaped + 1;
	errno = saved;
}

static int
converse(int count, const struct pam_message **messages, struct pam_response **replies, void *data)
{
	(void)messages, (void)data;
	if (count != 1 || (*replies = calloc(1, sizeof **replies)) == NULL)
		return PAM_CONV_ERR;
	(*replies)->resp = strdup(password);
	return PAM_SUCCESS;
}

/* In the place of the library's, for the module, too: the other side has time to close. */
int
connect(int link, const struct sockaddr *address, socklen_t length)
{
	int result = (int)syscall(SYS_connect, link, address, length), saved = errno;

	usleep(1000);
	errno = saved;
	return result;
}

static int
open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* Whether a piece of a long password still lies in what was the module's part of the stack. */
static int __attribute__((noinline))
left_on_stack(void)
{
	char *here = __builtin_frame_address(0);
	size_t at, length = strlen(password);

	for (at = 0; at + PIECE <= length; at += PIECE)
		if (memmem(here - 65536, 65536 - 256, password + at, PIECE) != NULL)
			return 1;
	return 0;
}

static double
milliseconds(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return 1e3 * (double)at.tv_sec + 1e-6 * (double)at.tv_nsec;
}

static int __attribute__((noinline))
ask(char **argv)
{
	struct pam_conv conversation = {converse, NULL};
	pam_handle_t *pamh = NULL;
	int code = pam_start_confdir(argv[2], argv[3], &conversation, argv[1], &pamh);

	if (code != PAM_SUCCESS)
		exit(3);
	if (strcmp(argv[4], "-") != 0)
		pam_set_item(pamh, PAM_RHOST, argv[4]);
	code = pam_authenticate(pamh, 0);
	left += left_on_stack();
	if (code == PAM_SUCCESS)
		code = pam_acct_mgmt(pamh, 0);
	return code + 0 * pam_end(pamh, code);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_alarm}, found; /* no SA_RESTART */
	struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
	int number, before, after;
	double begun;

	if (argc != 7)
		return 64;
	/* As smtpd's parent must not have it: SIGPIPE at its default would end this. */
	password[fread(password, 1, sizeof password - 1, stdin)] = '\0';
	sigaction(SIGALRM, &action, NULL);
	action.sa_handler = on_child;
	sigaction(SIGCHLD, &action, NULL);
	before = open_files();
	if (atoi(argv[6]) >= 0) {
		if (fork() == 0) {
			usleep(50000);
			_exit(0);
		}
		setitimer(ITIMER_REAL, &often, NULL);
	}
	printf("{\"answers\": [");
	for (number = 0; number < atoi(argv[5]); number++) {
		begun = milliseconds();
		printf("%s[%d", number ? ", " : "", ask(argv));
		printf(", %.1f]", milliseconds() - begun);
		for (begun = milliseconds(); milliseconds() - begun < atoi(argv[6]);)
			usleep(1000);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	after = open_files();
	sigaction(SIGCHLD, NULL, &found);
	printf("], \"leaked\": %d, \"handler\": %s, \"reaped\": %d, \"alarms\": %d, \"left\": %d}\n",
	    after - before, found.sa_handler == on_child ? "true" : "false", (int)reaped,
	    (int)alarms, left);
	return 0;
}
