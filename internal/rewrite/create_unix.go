//go:build unix && !linux

package rewrite

import "syscall"

// noFollow has open(2) refuse a symbolic link, as O_EXCL does by itself.
const noFollow = syscall.O_NOFOLLOW
