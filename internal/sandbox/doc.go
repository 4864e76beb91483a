// Package sandbox has a process give up what it doesn't need, before it meets data that
// somebody else made: user, capabilities, the file system, the network, system calls. All
// threads are covered, those to come too, and nothing of it can be had back.
//
// A process that captures keeps what re-opening an interface, and its own files, need:
//
//	result, err := sandbox.Confine(&sandbox.Config{Write: []string{"/var/lib/netcap/docker0"}})
//
// One that only reads what it is given keeps its descriptors:
//
//	result, err := sandbox.Isolate()
//
// What the kernel can't enforce is in the result, for log and status: it is never silently
// skipped. All threads of a program can be reached only if it is built without cgo.
package sandbox
