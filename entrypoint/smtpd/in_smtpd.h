/*
 * What libraries share that are loaded into smtpd (LD_PRELOAD, by start-smtpd) and stand in front of
 * functions of others. In every other program, a filter's above all, they are idle.
 */
#ifndef IN_SMTPD_H
#define IN_SMTPD_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Before a call of real_FUNCTION; find_real() looks for all that a library stands in front of. */
#define FIND_REAL(function) do { if (real_##function == NULL) find_real(); } while (0)

static bool in_smtpd;

/* Later the name is gone: smtpd writes its title over it. */
__attribute__((constructor)) static void
look_where_we_are(void)
{
	in_smtpd = strcmp(program_invocation_short_name, "smtpd") == 0;
	if (!in_smtpd)
		unsetenv("LD_PRELOAD"); /* what a filter starts does not need it */
}

#endif
