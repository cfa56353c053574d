/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd) in a test target alone: its greeting says TEST, so
 * that nobody takes it for a mail server.
 *
 * smtpd writes each reply by vsnprintf, the greeting with SMTPD_BANNER as the format, which nothing
 * else is written with. In every other program this is idle.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "in_smtpd.h"

#define SMTPD_BANNER "220 %s ESMTP %s"
#define BANNER "220 %s ESMTP TEST %s"

static int (*real_vsnprintf)(char *, size_t, const char *, va_list);
static int (*real___vsnprintf_chk)(char *, size_t, int, size_t, const char *, va_list);

static void
find_real(void)
{
	*(void **)&real_vsnprintf = dlsym(RTLD_NEXT, "vsnprintf");
	*(void **)&real___vsnprintf_chk = dlsym(RTLD_NEXT, "__vsnprintf_chk");
}

static const char *
format(const char *given)
{
	return in_smtpd && strcmp(given, SMTPD_BANNER) == 0 ? BANNER : given;
}

int
vsnprintf(char *text, size_t size, const char *given, va_list arguments)
{
	FIND_REAL(vsnprintf);
	return real_vsnprintf(text, size, format(given), arguments);
}

/* What a compiler that checks sizes calls in its place. */
int
__vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *given,
    va_list arguments)
{
	FIND_REAL(__vsnprintf_chk);
	return real___vsnprintf_chk(text, size, flag, room, format(given), arguments);
}
