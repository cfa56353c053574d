/*
 * A plugin of Dovecot's LMTP: a delivery does not write dovecot-uidlist a second time.
 *
 * To save a message Dovecot adds a line to dovecot-uidlist, and to do so quickly it does not read the
 * file first (maildir_uidlist_refresh_fast_init). Then its index of mailboxes asks for the mailbox's
 * GUID, which stands in the file's first line. What was not read is taken for missing: the whole file
 * is read, written anew and synced, for each message, however large the mailbox. Asked for the GUID
 * when the mailbox is opened, Dovecot reads the file, and has it.
 */
#include "lib.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"

extern const char *mailbox_guid_plugin_version;
void mailbox_guid_plugin_init(struct module *module);
void mailbox_guid_plugin_deinit(void);

const char *mailbox_guid_plugin_version = DOVECOT_ABI_VERSION;

static void
ask_for_guid(struct mailbox *box)
{
	struct mailbox_metadata metadata;

	/* Where a message is to be saved. */
	if ((box->flags & MAILBOX_FLAG_POST_SESSION) == 0)
		return;
	/* What is wrong with the mailbox is said when the message is saved. */
	mail_storage_last_error_push(mailbox_get_storage(box));
	(void)mailbox_get_metadata(box, MAILBOX_METADATA_GUID, &metadata);
	mail_storage_last_error_pop(mailbox_get_storage(box));
}

static struct mail_storage_hooks hooks = {
	.mailbox_opened = ask_for_guid,
};

void
mailbox_guid_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &hooks);
}

void
mailbox_guid_plugin_deinit(void)
{
	mail_storage_hooks_remove(&hooks);
}
