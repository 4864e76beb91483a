package testenv

import (
	"io"
	"os/exec"
	"sync"
)

// alive holds what is closed by the end of this process, and only by that.
var alive struct {
	sync.Mutex
	pipes []io.Closer
}

// afterExit has a shell run script, with arg as its $0, once this process has
// ended, be it by a panic, a time-out, or SIGKILL, of which no function of this
// process would hear: the shell waits for the end of a pipe whose other end
// this process alone holds. It survives the signals that a terminal or a
// supervisor sends to both of them.
func afterExit(script, arg string) error {
	shell := exec.Command("sh", "-c", `trap "" HUP INT QUIT TERM; cat; `+script, arg)
	shell.Dir = "/"
	pipe, err := shell.StdinPipe()
	if err != nil {
		return err
	}
	alive.Lock()
	alive.pipes = append(alive.pipes, pipe)
	alive.Unlock()
	return shell.Start()
}
