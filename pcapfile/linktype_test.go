package pcapfile_test

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

func TestLinkTypeString(t *testing.T) {
	for l, want := range map[pcapfile.LinkType]string{
		1: "EN10MB", 101: "RAW", 113: "LINUX_SLL", 276: "LINUX_SLL2", 147: "LINKTYPE 147",
	} {
		assert.Equal(t, want, l.String())
	}
}

// TestLinkTypeNames asks tcpdump for the name of every link type.
func TestLinkTypeNames(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	answer := regexp.MustCompile(`link-type (?:(\d+)|([\w-]+) \()`)
	named := 0
	for l := range pcapfile.LinkType(300) {
		path := temporary(t, pcapfile.AppendFileHeader(nil, l, 65535, false))
		out, _ := exec.Command(tcpdump, "-r", path).CombinedOutput() // it fails for those that it can't print
		m := answer.FindStringSubmatch(string(out))
		require.NotNil(t, m, "%d: %s", l, out)
		if m[2] == "" {
			continue
		}
		named++
		assert.Equal(t, m[2], l.String(), "link type %d", l)
	}
	assert.Greater(t, named, 100)
}
