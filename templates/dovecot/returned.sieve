# Before the person's own script: what came back, and is not here yet, is stored. No script sends it on.
# Only `deliver` writes this field.
require "fileinto";

if header :is "X-Signpost-Returned" "yes" {
  fileinto "INBOX";
}
