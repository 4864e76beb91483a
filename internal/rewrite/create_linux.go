package rewrite

import "syscall"

// noFollow has open(2) refuse a symbolic link, as O_EXCL does by itself, and allows more than
// 2 GiB where os.Root doesn't, on 32-bit processors.
const noFollow = syscall.O_NOFOLLOW | syscall.O_LARGEFILE
