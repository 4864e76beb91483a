package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// dicomTruth is what expected.json says of a capture.
type dicomTruth struct {
	Wire struct {
		Associations []struct {
			Calling, Called, Result, End string
			Ops                          []struct {
				Op     string
				Status *string
			}
		}
	}
}

func dicomCaptures(t *testing.T) map[string]dicomTruth {
	t.Helper()
	b, err := os.ReadFile(dicomCapture(t, "expected.json"))
	require.NoError(t, err)
	var all struct{ Captures map[string]dicomTruth }
	require.NoError(t, json.Unmarshal(b, &all))
	require.Len(t, all.Captures, 36)
	return all.Captures
}

func dicomCapture(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(testenv.Corpus(t), "dicom", name)
}

// dicomOf runs netcap dicom, which is to end well.
func dicomOf(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, err := runCommand(newDICOMCommand(), nil, args...)
	require.NoError(t, err)
	require.Empty(t, stderr)
	return out
}

// rowsOf are the cells of a table that begins with a head, without that.
func rowsOf(out, head string) (rows [][]string) {
	_, rest, found := strings.Cut(out, "\n"+head)
	if !found {
		return nil
	}
	_, rest, _ = strings.Cut(rest, "\n")
	between := regexp.MustCompile(` {2,}`)
	for line := range strings.Lines(rest) {
		if line == "\n" {
			break
		}
		rows = append(rows, between.Split(strings.TrimRight(line, " \n"), -1))
	}
	return rows
}

// TestDICOMTable holds the table to expected.json: each association has a row, with its
// titles, its outcome, and how many operations had which status.
func TestDICOMTable(t *testing.T) {
	local(t)
	for name, want := range dicomCaptures(t) {
		if name == "store_snap128.pcap" { // the other decoder gave up where data was cut off
			continue
		}
		var expect, got []string
		for _, as := range want.Wire.Associations {
			outcome := map[string]string{
				"released": "released", "aborted by client": "ABORTED by the client", "aborted by server": "ABORTED by the server",
				"closed by client": "CLOSED by the client", "closed by server": "NEVER ANSWERED, closed by the server", "still open at the end of the capture": "cut",
			}[as.End]
			if as.Result == "rejected" {
				outcome = "REJECTED"
			}
			statuses := make(map[string]int)
			for _, o := range as.Ops {
				status := "none"
				if o.Status != nil {
					status = *o.Status
				}
				statuses[o.Op+" "+status]++
			}
			expect = append(expect, fmt.Sprintf("%s→%s %s %v", as.Calling, as.Called, outcome, statuses))
		}
		for _, row := range rowsOf(dicomOf(t, dicomCapture(t, name)), "START") {
			title := func(cell string) string {
				if before, _, found := strings.Cut(cell, " "); found {
					return before
				}
				return "" // only an address
			}
			outcome := regexp.MustCompile(`^(NEVER ANSWERED, closed by the server|ABORTED by the \w+|CLOSED by the \w+|\w+)`).FindString(row[4])
			statuses := make(map[string]int)
			kind := ""
			for _, m := range regexp.MustCompile(`(?:([CN]-[A-Z-]+) )?(\d+) (ok|unanswered|without a status|[0-9A-F]{4})`).FindAllStringSubmatch(row[5], -1) {
				if m[1] != "" {
					kind = m[1]
				}
				n, err := strconv.Atoi(m[2])
				require.NoError(t, err)
				status := m[3]
				switch status {
				case "ok":
					status = "0000"
				case "unanswered", "without a status":
					status = "none"
				}
				statuses[kind+" "+status] += n
			}
			got = append(got, fmt.Sprintf("%s→%s %s %v", title(row[2]), title(row[3]), outcome, statuses))
		}
		assert.ElementsMatch(t, expect, got, name)
	}
}

// TestDICOMFindings has a sentence for each finding, and none where nothing is wrong.
func TestDICOMFindings(t *testing.T) {
	local(t)
	out := dicomOf(t, dicomCapture(t, "store_big.pcap"))
	assert.Contains(t, out, "\nNo problems found.\n")
	assert.NotContains(t, out, "PROBLEMS")
	for name, sentences := range map[string][]string{
		"rj_called_ae.pcap":     {"✗", `rejected, called AE title "PACSS" not recognised`, "Likely: ", "[rj_called_ae.pcap, packet 1]"},
		"status_disk_full.pcap": {"✗", "C-STORE A700", "(2 times)", "disk is full"},
		"server_down.pcap":      {"✗", "connection refused", "1      "},
		"nagle_stall.pcap":      {"! ", "97 % of the time lost", "TCP_NODELAY"},
		"container_gone.pcap":   {"✗", "nobody answers", "stopped"},
		"tls_ok.pcap":           {"· ", "in TLS"},
	} {
		out := dicomOf(t, dicomCapture(t, name))
		assert.Contains(t, out, "\nPROBLEMS\n", name)
		for _, s := range sentences {
			assert.Contains(t, out, s, name)
		}
		problems := dicomOf(t, "--problems", dicomCapture(t, name))
		assert.NotContains(t, problems, "START")
		assert.NotContains(t, problems, "CONNECTIONS")
		_, after, _ := strings.Cut(out, "\nPROBLEMS\n")
		assert.True(t, strings.HasSuffix(problems, "\nPROBLEMS\n"+after), name)
	}
}

// TestDICOMCheck has the exit status tell of problems, and of nothing less.
func TestDICOMCheck(t *testing.T) {
	problem := map[string]bool{"store_big.pcap": false, "nagle_stall.pcap": false, "rj_called_ae.pcap": true, "server_down.pcap": true}
	for name, want := range problem {
		_, _, err := runCommand(newDICOMCommand(), nil, "--check", dicomCapture(t, name))
		status := 0
		if want {
			status = exitFound
		}
		assert.Equal(t, status, exitStatus(err), name)
	}
	// That a file can't be read is worse.
	_, stderr, err := runCommand(newDICOMCommand(), nil, "--check", dicomCapture(t, "rj_called_ae.pcap"), dicomCapture(t, "expected.json"))
	assert.Equal(t, 1, exitStatus(err))
	assert.Contains(t, stderr, "expected.json")
}

// TestDICOMPrivate looks for what is patients' in all that is printed, and for UIDs of
// instances where they weren't asked for.
func TestDICOMPrivate(t *testing.T) {
	dump, err := exec.Command(testenv.Program(t, "tshark"), "-r", dicomCapture(t, "store_ok.pcap"), "-V").Output()
	require.NoError(t, err)
	instances := regexp.MustCompile(`Affected SOP Instance UID +([0-9.]+)`).FindAllSubmatch(dump, -1)
	require.NotEmpty(t, instances)
	for name, patient := range map[string]string{"store_ok.pcap": "NETCAP^TEST", "find_ok.pcap": "NOBODY"} {
		b, err := os.ReadFile(dicomCapture(t, name))
		require.NoError(t, err)
		require.True(t, bytes.Contains(b, []byte(patient)), name)
	}
	for name := range dicomCaptures(t) {
		for _, flags := range [][]string{nil, {"--ops"}, {"--json"}, {"--json", "--ops"}} {
			out := dicomOf(t, append(flags, dicomCapture(t, name))...)
			assert.NotContains(t, out, "NETCAP^TEST", name)
			assert.NotContains(t, out, "NOBODY", name)
			if name == "store_ok.pcap" {
				for _, uid := range instances {
					assert.Equal(t, slices.Contains(flags, "--ops"), strings.Contains(out, string(uid[1])), flags)
				}
			}
		}
	}
}

// TestDICOMSelection has flags take some of what there is.
func TestDICOMSelection(t *testing.T) {
	local(t)
	mixed := dicomCapture(t, "mixed.pcap")
	for flags, rows := range map[string]int{
		"": 4, "--port 104": 1, "--port 104,4242": 2, "--port 104 --port 4242": 2, "--port 1": 0, "--ae CT01": 2, "--ae ORTHANC": 1, "--ae ct01": 0,
		"--host 172.17.0.4": 2, "--host 172.17.0.4 --port 4242": 1, "--from 2026-11-23T13:54:05Z": 1, "--since 2026-11-23T13:54:06Z": 0,
	} {
		out := dicomOf(t, append(strings.Fields(flags), mixed)...)
		assert.Len(t, rowsOf(out, "START"), rows, flags)
	}
	assert.Equal(t, "no packets\n", dicomOf(t, "--until", "2026-11-23T13:00:00Z", mixed))
}

// TestDICOMDamaged has what precedes the damage be told.
func TestDICOMDamaged(t *testing.T) {
	local(t)
	b, err := os.ReadFile(dicomCapture(t, "mixed.pcap"))
	require.NoError(t, err)
	torn := filepath.Join(t.TempDir(), "torn.pcap")
	require.NoError(t, os.WriteFile(torn, b[:len(b)-10], 0o600))
	out, _, err := runCommand(newDICOMCommand(), nil, torn)
	assert.ErrorContains(t, err, torn)
	assert.Equal(t, 1, exitStatus(err))
	assert.Len(t, rowsOf(out, "START"), 4)
	assert.Contains(t, out, "capture incomplete: not all could be read\n")
	out, _, err = runCommand(newDICOMCommand(), nil, dicomCapture(t, "expected.json"))
	assert.ErrorContains(t, err, "not a pcap or pcapng file: it looks like JSON")
	assert.Empty(t, out)
}

// TestDICOMRefused has command lines that make no sense.
func TestDICOMRefused(t *testing.T) {
	local(t)
	file := dicomCapture(t, "echo_ok.pcap")
	for _, c := range []struct {
		args   string
		says   string
		status int
	}{
		{"--port 0 " + file, "--port 0: not a port, which is 1 to 65535", 2},
		{"--port 70000 " + file, "--port 70000: not a port", 2},
		{"--host pacs " + file, "--host pacs: not an IP address", 2},
		{"--from soon " + file, `time "soon": not understood`, 2},
		{"--problems --json " + file, "choose one", 2},
		{"-f " + file + " " + file, "-f follows one file", 2},
		{"missing.pcapng", "missing.pcapng: no such capture, and no such directory or file", 1},
		{"./missing.pcapng", "./missing.pcapng", 1},
	} {
		_, _, err := runCommand(newDICOMCommand(), nil, strings.Fields(c.args)...)
		assert.ErrorContains(t, err, c.says, c.args)
		var usage usageError
		if c.status == 2 && !assert.ErrorAs(t, err, &usage, c.args) {
			continue
		}
	}
}

// TestDICOMOps prints what is known of one association.
func TestDICOMOps(t *testing.T) {
	local(t)
	out := dicomOf(t, "--ops", dicomCapture(t, "ctx_transfer_syntax.pcap"))
	for _, text := range []string{
		"CT01 172.17.0.3:", " → PACS 172.17.0.2:11112", "ABORTED by the client", "client: OFFIS_DCMTK_367, 1.2.276.0.7230010.3.0.3.6.7, takes PDUs up to 16,384 bytes",
		"context 1: CT Image Storage: REFUSED, transfer syntaxes not supported; proposed as JPEG Lossless",
	} {
		assert.Contains(t, out, text)
	}
	out = dicomOf(t, "--ops", dicomCapture(t, "move_ok.pcap"))
	assert.Contains(t, out, "sub-operations: 2 completed, 0 failed, 0 warnings, 0 remaining")
	assert.Contains(t, out, "to WORKSTATION")
	assert.Len(t, rowsOf(out, "  TIME"), 1)
}
