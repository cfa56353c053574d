# Before the person's own script: what the inbound filter marked is junk.
require ["fileinto", "mailbox"];

if header :is "X-Spam" "yes" {
  fileinto :create "Junk";
}
