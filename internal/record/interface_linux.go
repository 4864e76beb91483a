package record

import (
	"net"

	"netcap/capture"
)

// docker0 is the bridge that Docker puts containers on by default.
const docker0 = "docker0"

// DefaultInterface returns the interface that is captured where none is named:
// docker0 if there is one, else that of the default route.
func DefaultInterface() (string, error) {
	if _, err := net.InterfaceByName(docker0); err == nil {
		return docker0, nil
	}
	return capture.DefaultRoute()
}
