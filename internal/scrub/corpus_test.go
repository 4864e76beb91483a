package scrub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/internal/input"
	"netcap/internal/rewrite"
	"netcap/internal/scrub"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// packetsOf reads a capture.
func packetsOf(t testing.TB, path string) (packets []pcapfile.Packet) {
	f, err := input.Open(path, nil)
	require.NoError(t, err)
	defer f.Close()
	for {
		p, err := f.Next()
		if err != nil {
			return packets
		}
		kept := *p
		kept.Data = bytes.Clone(p.Data)
		packets = append(packets, kept)
	}
}

// scrubbed are the packets that come out, which is said to be as many as came in, in their
// order, of the same lengths, the caller's unchanged.
func scrubbed(t testing.TB, packets []pcapfile.Packet) (out []pcapfile.Packet, stats scrub.Stats) {
	s := scrub.New(func(p *pcapfile.Packet, n int) error {
		original := packets[n]
		kept := *p
		kept.Data = bytes.Clone(p.Data)
		out = append(out, kept)
		if len(out) != n+1 || len(p.Data) != len(original.Data) {
			t.Fatalf("packet %d of %d bytes is the %dth to come out, with %d", n, len(original.Data), len(out), len(p.Data))
		}
		original.Data, kept.Data = nil, nil
		if !reflect.DeepEqual(original, kept) {
			require.Equal(t, original, kept)
		}
		return nil
	})
	for i := range packets {
		before := bytes.Clone(packets[i].Data)
		require.NoError(t, s.Add(&packets[i], i))
		if !bytes.Equal(before, packets[i].Data) {
			t.Fatalf("packet %d was changed where it is", i)
		}
	}
	require.NoError(t, s.Close())
	require.Len(t, out, len(packets))
	return out, s.Stats()
}

// written is a capture of packets that come of the one at path.
func written(t testing.TB, path string, packets []pcapfile.Packet) string {
	f, err := input.Open(path, nil)
	require.NoError(t, err)
	defer f.Close()
	out := filepath.Join(t.TempDir(), filepath.Base(path))
	var b bytes.Buffer
	w := rewrite.New(&b, f.Format(), &rewrite.Config{Files: []*input.File{f}})
	for {
		_, err := f.Next()
		if err != nil {
			break
		}
	}
	for i := range packets {
		require.NoError(t, w.Add(f, &packets[i]))
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(out, b.Bytes(), 0o600))
	return out
}

func captures(t testing.TB) []string {
	dir := testenv.Corpus(t)
	paths, err := filepath.Glob(filepath.Join(dir, "dicom*", "*.pcap"))
	require.NoError(t, err)
	require.Greater(t, len(paths), 70)
	return paths
}

// TestCorpusDiagnosis has the captures say the same of themselves scrubbed.
func TestCorpusDiagnosis(t *testing.T) {
	report := func(packets []pcapfile.Packet) string {
		a := diagnosis.New(&diagnosis.Config{Instances: true})
		f := a.File("capture")
		for i := range packets {
			a.Add(f, &packets[i])
		}
		b, err := json.MarshalIndent(a.Close(), "", " ")
		require.NoError(t, err)
		return string(b)
	}
	for _, path := range captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			packets := packetsOf(t, path)
			out, stats := scrubbed(t, packets)
			assert.Equal(t, report(packets), report(out))
			t.Logf("%+v", stats)
		})
	}
}

// TestCorpusTshark holds to tshark that TCP is as it was, right and wrong checksums
// included, and that the DICOM that it sees outside of data sets is.
func TestCorpusTshark(t *testing.T) {
	fields := []string{
		"frame.time_epoch", "frame.len", "frame.cap_len", "ip.id", "ip.checksum.status", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags",
		"tcp.window_size_value", "tcp.options", "tcp.checksum.status", "udp.checksum.status",
		"dicom.pdu.type", "dicom.pdu.len", "dicom.assoc.ae.called", "dicom.assoc.ae.calling", "dicom.assoc.item.type", "dicom.assoc.item.len",
		"dicom.assoc.reject.reason", "dicom.assoc.abort.source", "dicom.pctx.id", "dicom.pctx.result", "dicom.pctx.abss.syntax", "dicom.pctx.xfer.syntax",
		"dicom.userinfo.uid", "dicom.userinfo.version", "dicom.userinfo.asyncneg.maxnumopsinv", "dicom.userinfo.rolesel.sopclassuid", "dicom.max_pdu_len",
		"dicom.pdv.len", "dicom.pdv.ctx", "dicom.pdv.flags",
	}
	for n, path := range captures(t) {
		if n%3 > 0 && !strings.Contains(path, "stall") {
			continue // tshark takes its time
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			out, _ := scrubbed(t, packetsOf(t, path))
			said := func(path string) []string {
				args := []string{
					"-n", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
					"-d", "tcp.port==11112,dicom", "-T", "fields",
				}
				for _, f := range fields {
					args = append(args, "-e", f)
				}
				b, err := exec.Command(testenv.Program(t, "tshark"), args...).Output()
				require.NoError(t, err)
				return strings.Split(string(b), "\n")
			}
			want, got := said(path), said(written(t, path, out))
			for i := range want {
				require.Equal(t, want[i], got[i], fmt.Sprintf("packet %d", i+1))
			}
			require.Len(t, got, len(want))
		})
	}
}

// TestCorpusBytes has as many bytes overwritten as data sets have by expected.json, where
// each was captured once.
func TestCorpusBytes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", "expected.json"))
	require.NoError(t, err)
	var all struct {
		Captures map[string]struct {
			Wire struct {
				Associations []struct {
					Ops []struct {
						Op    string
						Bytes int64 `json:"dataset_bytes"`
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &all))
	for _, name := range []string{
		"abort_after", "abort_during", "async_window", "loss_before_tap", "mixed", "move_ok", "move_unknown_dest", "nagle_stall", "pdu_too_big",
		"slow_response", "small_pdu", "status_disk_full", "store_big", "store_ok", "echo_ok", "ctx_none", "rj_table",
	} {
		t.Run(name, func(t *testing.T) {
			want := int64(0)
			for _, a := range all.Captures[name+".pcap"].Wire.Associations {
				for _, o := range a.Ops {
					want += o.Bytes
				}
			}
			_, stats := scrubbed(t, packetsOf(t, filepath.Join(testenv.Corpus(t), "dicom", name+".pcap")))
			assert.Equal(t, want, stats.DICOM.Bytes)
			if name != "mixed" { // it has TLS
				assert.Zero(t, stats.Unknown)
			}
			assert.Zero(t, stats.Unread)
		})
	}
}
