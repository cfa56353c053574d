"""`signpost backup` and `signpost restore`: both volumes as one archive, and back.

    volumes -> state_files, queue_files, mail_files -> archive -> encryption -> a file or a pipe
    a file -> encryption -> archive (checked whole, then read again) -> restore -> empty volumes

It must not know what is in the files; `layout` alone knows which there are and whose each is.
Nothing here is waited for by what serves mail.
"""
