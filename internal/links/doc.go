// Package links asks the kernel, by rtnetlink(7), which interfaces there are, what becomes of
// them, and which lead into the network namespace of a process.
package links
