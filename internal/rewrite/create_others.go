//go:build !unix

package rewrite

// noFollow is for Unix: what exists, links included, is refused by O_EXCL.
const noFollow = 0
