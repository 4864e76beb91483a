package finish

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// patience is how long a command that was asked to end may take.
const patience = 5 * time.Second

// run1 runs the command on a file. Nothing of its words is lost that fits a line.
func (f *Finisher) run1(path string) error {
	cmd := exec.CommandContext(f.ctx, f.command[0], append(f.command[1:len(f.command):len(f.command)], path)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOTIFY_SOCKET=") { // it isn't the service
			cmd.Env = append(cmd.Env, v)
		}
	}
	said := &lastWords{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(string(said.b)); text != "" {
			return fmt.Errorf("%s: %w: %s", f.command[0], err, text)
		}
		return fmt.Errorf("%s: %w", f.command[0], err)
	}
	return nil
}

// lastWords keeps the end of what is written.
type lastWords struct{ b []byte }

func (l *lastWords) Write(p []byte) (int, error) {
	const longest = 1000
	l.b = append(l.b, p[max(0, len(p)-longest):]...)
	l.b = l.b[max(0, len(l.b)-longest):]
	return len(p), nil
}
