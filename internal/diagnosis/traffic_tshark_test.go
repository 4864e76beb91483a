package diagnosis_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// file is the packets as a pcap file.
func (tr *traffic) file() []byte {
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, true)
	for _, f := range tr.frames {
		b = pcapfile.AppendRecord(b, epoch.Add(f.at).UnixNano(), f.data, uint32(f.length), true)
	}
	return b
}

// TestTraffic has tshark read what is made here, so that it isn't only our decoder that
// understands it.
func TestTraffic(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	tr := &traffic{}
	p := tr.open(ct, pacs)
	p.store(client, 40_000, 0xa700)
	p.echo(time.Millisecond)
	p.send(client, message(5, command(cMove, 9, true, class(studyMove), text(0x0600, "WS7")), 60, 16384))
	p.send(server, message(5, command(cMove|response, 9, false, class(studyMove), status(0xb000), suboperations(0, 1, 2, 0)), -1, 16384))
	p.release()
	tr.connect(mr, pacs).refuse(storage(), 2, 3, 2)
	p = tr.open("10.0.0.13:40003", pacs)
	p.send(server, abort(2, 1))
	p.close(server)
	run := func(args ...string) string {
		cmd := exec.Command(tshark, append([]string{"-n", "-r", "-"}, args...)...)
		cmd.Stdin = bytes.NewReader(tr.file())
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	assert.Empty(t, run("-Y", "tcp.analysis.flags"))
	var texts []string
	for line := range strings.Lines(run("-Y", "dicom", "-T", "fields", "-e", "_ws.col.Info")) {
		texts = append(texts, strings.TrimSpace(line))
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		"A-ASSOCIATE request CT01 --> PACS", "A-ASSOCIATE accept", "A-ASSOCIATE reject  CT01 <-- PACS (Local limit exceeded)", "C-STORE-RQ ID=1", "CT Image Storage", "C-STORE-RSP (Refused: Out of Resources)", "C-ECHO-RQ ID=2", "C-ECHO-RSP ID=2 (Success)",
		"C-MOVE-RQ ID=9", "C-MOVE-RSP (Sub-operations Complete - One or more Failures)", "A-RELEASE request", "A-RELEASE response", "ABORT CT01 <-- PACS (Unrecognized PDU)",
	} {
		assert.Contains(t, all, want)
	}
}
