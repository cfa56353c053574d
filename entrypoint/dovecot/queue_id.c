/*
 * A plugin of Dovecot's LMTP: smtpd's queue id of the message, for deliver_log_format.
 *
 * LMTP has no word for it. It stands in the Received field that smtpd has written, the first of the
 * message: a stranger's are below. What is found is the field `queue_id` of the delivery's event, and
 * the event is the global one while Sieve runs, which expands deliver_log_format without one.
 */
#include "lib.h"
#include "mail-storage.h"
#include "mail-deliver.h"

#include <ctype.h>

#define QUEUE_ID_LENGTH 8

struct module;

extern const char *queue_id_plugin_version;
void queue_id_plugin_init(struct module *module);
void queue_id_plugin_deinit(void);

const char *queue_id_plugin_version = DOVECOT_ABI_VERSION;

static deliver_mail_func_t *next_deliver_mail;

/*
 * `from NAME (NAME [ADDRESS])\n\tby NAME (OpenSMTPD) with ESMTP id 6a0f4ad6…`: what a client chose
 * stands before the line's end, and no name of it holds one. Lower case, as smtpd's log has it.
 */
static const char *
queue_id(struct mail_deliver_context *ctx)
{
	const char *field, *id;
	unsigned int length;

	if (mail_get_first_header(ctx->src_mail, "Received", &field) <= 0 ||
	    (id = strstr(field, "\tby ")) == NULL ||
	    (id = strstr(id, " (OpenSMTPD) with ")) == NULL || (id = strstr(id, " id ")) == NULL)
		return NULL;
	id += strlen(" id ");
	for (length = 0; length < QUEUE_ID_LENGTH; length++)
		if (!isdigit((unsigned char)id[length]) && (id[length] < 'a' || id[length] > 'f'))
			return NULL;
	return isalnum((unsigned char)id[length]) ? NULL : t_strdup_until(id, id + length);
}

static int
deliver_with_queue_id(struct mail_deliver_context *ctx, struct mail_storage **storage_r)
{
	const char *id = queue_id(ctx);
	int ret;

	if (id != NULL)
		event_add_str(ctx->event, "queue_id", id);
	if (next_deliver_mail == NULL)
		return -1; /* Dovecot's own way, which knows the event. */
	event_push_global(ctx->event);
	ret = next_deliver_mail(ctx, storage_r);
	event_pop_global(ctx->event);
	return ret;
}

/* Named so that it is loaded after Sieve, and so asked first. */
void
queue_id_plugin_init(struct module *module ATTR_UNUSED)
{
	next_deliver_mail = mail_deliver_hook_set(deliver_with_queue_id);
}

void
queue_id_plugin_deinit(void)
{
	mail_deliver_hook_set(next_deliver_mail);
}
