package testenv

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A machine runs services, in a network and with files that are its own.
func TestBootSystemd(t *testing.T) {
	s := NewNamespace(t).BootSystemd(t)
	assert.Equal(t, "systemd", s.Run(t, "cat", "/proc/1/comm"))
	assert.Equal(t, "lo", s.Run(t, "ls", "/sys/class/net"))
	unit := "[Service]\nType=oneshot\nExecStart=touch /made\n"
	require.NoError(t, os.WriteFile(s.Path("/etc/systemd/system/x.service"), []byte(unit), 0o644))
	s.Run(t, "systemctl", "start", "x.service")
	assert.FileExists(t, s.Path("/made"))
	assert.NoFileExists(t, "/made")
	for _, shared := range []string{"echo 0 >/proc/sys/vm/panic_on_oom", "test -w /sys/kernel/mm", "date --set=@$(date +%s)"} {
		_, err := s.Try(t, "sh", "-c", shared)
		assert.Error(t, err, shared)
	}
	hostname, err := os.Hostname()
	assert.NoError(t, err)
	s.Run(t, "hostname", "elsewhere")
	again, err := os.Hostname()
	assert.NoError(t, err)
	assert.Equal(t, hostname, again)
}
