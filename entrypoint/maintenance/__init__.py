"""What goes on while the server runs: changed files go live, keys move on, without a restart."""
