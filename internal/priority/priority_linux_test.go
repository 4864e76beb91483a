package priority

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const inChild = "NETCAP_TEST_PRIORITY"

// TestLowerProcess looks at each thread of a process of its own, new ones included.
func TestLowerProcess(t *testing.T) {
	if os.Getenv(inChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLowerProcess$")
		cmd.Env = append(os.Environ(), inChild+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	require.NoError(t, LowerProcess())
	stop := make(chan struct{})
	for range 5 { // each has a thread
		go func() {
			runtime.LockOSThread()
			<-stop
		}()
	}
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, thread := range threads {
		b, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/stat")
		require.NoError(t, err)
		_, fields, _ := strings.Cut(string(b), ") ")
		assert.Equal(t, "19", strings.Fields(fields)[16], "nice")
	}
	class, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, 0, 0)
	require.Zero(t, errno)
	assert.EqualValues(t, classIdle, class)
	close(stop)
}
