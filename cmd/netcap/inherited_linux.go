package main

import (
	"regexp"
	"strconv"

	"netcap/internal/daemon"
	"netcap/internal/sandbox"
)

// byDescriptor are paths of descriptors, as shells write them for <(…).
var byDescriptor = regexp.MustCompile(`/(?:dev|proc/self)/fd/(\d+)`)

// closeInherited closes what this process was started with and has no use for. It keeps what
// its words lead to, and what netcap start waits at.
func closeInherited(args []string) error {
	keep := daemon.HandedOver()
	for _, word := range args {
		for _, m := range byDescriptor.FindAllStringSubmatch(word, -1) {
			if fd, err := strconv.Atoi(m[1]); err == nil {
				keep = append(keep, fd)
			}
		}
	}
	return sandbox.CloseInherited(keep)
}
