/*
 * Loaded into every program (LD_PRELOAD) where DNS_SERVERS names the name servers and
 * /etc/resolv.conf cannot be written, because the container's root file system is read-only: that
 * file is the engine's then, and nobody in the container can put another in its place. Ours stands
 * beside what else a start makes (entrypoint/resolv_conf.py), and is read here instead.
 *
 * smtpd's resolver (libasr) reads resolv.conf by fopen(). The C library's own does not, so whoever
 * asks it by getaddrinfo() (certbot, a filter of somebody's own) is given our name servers in its
 * resolver's state, which each thread has for itself.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <dlfcn.h>
#include <netdb.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THE_ENGINES "/etc/resolv.conf"
#define OURS "/run/signpost/resolv.conf"
#define WHITE_SPACE " \t\r\n"

static FILE *
open_file(const char *path, const char *mode)
{
	static FILE *(*real)(const char *, const char *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fopen");
	return real(path, mode);
}

FILE *
fopen(const char *path, const char *mode)
{
	FILE *ours = NULL;

	if (strcmp(path, THE_ENGINES) == 0)
		ours = open_file(OURS, mode);
	return ours != NULL ? ours : open_file(path, mode);
}

/* Give the state a name server at a place; false where it is no address. */
static bool
put(res_state state, int place, const char *address)
{
	struct sockaddr_in *v4 = &state->nsaddr_list[place];
	struct sockaddr_in6 *v6;

	memset(v4, 0, sizeof(*v4));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(NAMESERVER_PORT);
		return true;
	}
	/* The C library looks here where the other has no family, and frees it with its thread. */
	if ((v6 = calloc(1, sizeof(*v6))) == NULL)
		return false;
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1) {
		free(v6);
		return false;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(NAMESERVER_PORT);
	free(state->_u._ext.nsaddrs[place]);
	state->_u._ext.nsaddrs[place] = v6;
	return true;
}

static void
ask_ours(void)
{
	static __thread bool done;
	char line[256], *rest, *word;
	int count = 0;
	FILE *file;

	if (done || (file = open_file(OURS, "re")) == NULL)
		return;
	done = true;
	if (res_init() == 0) {
		while (count < MAXNS && fgets(line, sizeof(line), file) != NULL) {
			word = strtok_r(line, WHITE_SPACE, &rest);
			if (word == NULL || strcmp(word, "nameserver") != 0)
				continue;
			word = strtok_r(NULL, WHITE_SPACE, &rest);
			if (word != NULL && put(&_res, count, word))
				count++;
		}
		if (count > 0) {
			_res.nscount = count;
			_res._u._ext.nscount = 0; /* what it has made of the others is void */
		}
	}
	fclose(file);
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **found)
{
	static int (*real)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	ask_ours();
	return real(name, service, hints, found);
}
