# Before the person's own script: what the inbound filter marked is junk, and what the account's
# own junk filter said so of. Only `deliver` writes the second field.
require ["fileinto", "mailbox"];

if anyof(header :is "X-Spam" "yes", header :matches "X-Signpost-Junk" ["yes", "yes *"]) {
  fileinto :create "Junk";
}
