// Package sandbox has a process give up what it doesn't need, before it meets data that
// somebody else made.
//
//	lacks, err := sandbox.Isolate()
//
// What the kernel can't enforce is returned, for the log: never silently skipped.
package sandbox
