# After the person's own script, if that left the mail to us: alice+lists@ goes into the folder
# "lists". It has to be there, so that mail from strangers makes no folders, and it is none of the
# person's own words, so that nobody can plant a draft.
require ["envelope", "fileinto", "mailbox", "special-use", "subaddress", "variables"];

if envelope :matches :detail "to" "?*" {
  set "folder" "${1}${2}";
  if allof (
    mailboxexists "${folder}",
    not specialuse_exists "${folder}" ["\\Drafts"],
    not specialuse_exists "${folder}" ["\\Sent"],
    not specialuse_exists "${folder}" ["\\Trash"]
  ) {
    fileinto "${folder}";
  }
}
