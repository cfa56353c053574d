/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): a log line is one write.
 *
 * smtpd logs to an unbuffered stderr, and the C library hands such a line to the kernel in pieces of
 * 128 bytes. All of smtpd's processes write to the same pipe, which keeps whole only what comes in
 * one write: between two pieces stood another process's line. Up to PIPE_BUF bytes are whole now.
 */
#include <limits.h>
#include <stdio.h>

#include "in_smtpd.h"

__attribute__((constructor)) static void
buffer_lines(void)
{
	static char line[PIPE_BUF];

	look_where_we_are(); /* constructors have no order */
	if (in_smtpd)
		setvbuf(stderr, line, _IOLBF, sizeof(line));
}
