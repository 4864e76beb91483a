// Package helper is a process beside a capture for what a confined one can't do: running
// the command of -z on finished files, and starting the process that reads for the DICOM
// journal (package journal). It is split off before the capture confines itself, is told
// paths, and tells how it went.
//
//	h, err := helper.Start(&helper.Config{Command: "gzip -t", Log: log})
//	…                          // confine
//	err = h.Run(ctx, path)     // one at a time
//	h.Began(path)
//	err = h.Close(ctx)
//
// What it is asked for are paths: which command runs on them is settled at the start, so
// that a capture that was broken into can make it do nothing else. It runs at the lowest
// priority, and ends with the capture, when its work is done.
//
// A capture that is confined can start no process. So a second one stands by, which the first
// has started and whose socket it has handed over: it goes on with the work where the first
// ends or doesn't answer, and starts another one to stand by. The command that ran then is run
// again, on the same file: at least once on each. Where both end at once, nobody is left.
package helper
