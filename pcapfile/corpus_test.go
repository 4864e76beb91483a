package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// record is a packet copied out of a Reader.
type record struct {
	Time        time.Time
	HasTime     bool
	Data        []byte
	Length      uint32
	InterfaceID int
	LinkType    pcapfile.LinkType
	Flags       pcapfile.Flags
}

// readAll reads a capture to its end. The error is nil at a clean end.
func readAll(t testing.TB, input io.Reader) ([]record, *pcapfile.Reader, error) {
	t.Helper()
	r, err := pcapfile.NewReader(input)
	if err != nil {
		assert.Nil(t, r)
		return nil, nil, err
	}
	var records []record
	for {
		p, err := r.Next()
		if err != nil {
			assert.Nil(t, p)
			_, again := r.Next()
			assert.Equal(t, err, again, "the error stays")
			if err == io.EOF {
				err = nil
			}
			return records, r, err
		}
		records = append(records, record{
			p.Time, p.HasTime, bytes.Clone(p.Data), p.Length,
			p.InterfaceID, p.Interface.LinkType, p.Flags,
		})
	}
}

func readFile(t testing.TB, path string) ([]record, *pcapfile.Reader, error) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return readAll(t, bytes.NewReader(b))
}

// oracle is what tcpdump and capinfos say about a file of the corpus.
type oracle struct {
	file              string
	tcpdump, capinfos int // packets
	tcpdumpOK         bool
	capinfosOK        bool
}

func readOracle(t *testing.T, dir string) []oracle {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
	require.NoError(t, err)
	table := csv.NewReader(bytes.NewReader(b))
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	require.NoError(t, err)
	column := make(map[string]int)
	for n, name := range rows[0] {
		column[strings.Replace(name, "tcpdump_count", "tcpdump_packets", 1)] = n
	}
	number := func(row []string, name string) int {
		n, _ := strconv.Atoi(row[column[name]])
		return n
	}
	var all []oracle
	for _, row := range rows[1:] {
		all = append(all, oracle{
			file:       row[column["file"]],
			tcpdump:    number(row, "tcpdump_packets"),
			tcpdumpOK:  row[column["tcpdump_rc"]] == "0",
			capinfos:   number(row, "capinfos_packets"),
			capinfosOK: row[column["capinfos_rc"]] == "0",
		})
	}
	return all
}

// pseudoHeader is what capinfos does not count as part of a packet: the four
// bytes in front of SunATM.
var pseudoHeader = map[pcapfile.LinkType]uint64{123: 4}

// TestCorpus holds the number of packets to tcpdump's if tcpdump reads the
// whole file, to capinfos' if only that does. If neither does, an error has to
// follow the packets that tcpdump gave. What tcpdump prints as packets of no length may be
// damage; what it refuses for its version we refuse too, a section apart, which is passed over.
func TestCorpus(t *testing.T) {
	corpus := testenv.Corpus(t)
	for _, dir := range []string{"captures", "pcapng"} {
		for _, o := range readOracle(t, filepath.Join(corpus, dir)) {
			t.Run(dir+"/"+o.file, func(t *testing.T) {
				records, r, err := readFile(t, filepath.Join(corpus, dir, o.file))
				var odd testenv.Oddities
				if (err == nil) != (o.tcpdumpOK || o.capinfosOK) {
					odd = testenv.OdditiesOf(t, filepath.Join(corpus, dir, o.file))
				}
				switch {
				case odd.Empty > 0:
					require.ErrorContains(t, err, "zeros stand where a record should begin")
					assert.Len(t, records, odd.Empty-1)
				case odd.Version && err != nil:
					assert.ErrorContains(t, err, "version 2.5 is not supported")
				case odd.Version:
					assert.GreaterOrEqual(t, len(records), max(o.tcpdump, 1))
				case o.tcpdumpOK:
					require.NoError(t, err)
					assert.Len(t, records, o.tcpdump)
				case o.capinfosOK:
					require.NoError(t, err)
					assert.Len(t, records, o.capinfos)
				default:
					require.Error(t, err)
					assert.Len(t, records, o.tcpdump)
				}
				if err == nil {
					info, err := os.Stat(filepath.Join(corpus, dir, o.file))
					require.NoError(t, err)
					assert.Equal(t, info.Size(), r.Offset())
				}
			})
		}
	}
}

// TestCorpusAgainstTcpdump compares every packet with what libpcap hands out:
// tcpdump writes it into a new file.
func TestCorpusAgainstTcpdump(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	corpus := testenv.Corpus(t)
	compared := 0
	for _, dir := range []string{"captures", "pcapng"} {
		for _, o := range readOracle(t, filepath.Join(corpus, dir)) {
			if !o.tcpdumpOK {
				continue
			}
			path := filepath.Join(corpus, dir, o.file)
			theirs, err := exec.Command(tcpdump, "--nano", "-r", path, "-w", "-").Output()
			require.NoError(t, err, path)
			want, _, damaged := readAll(t, bytes.NewReader(theirs))
			got, _, err := readFile(t, path)
			if err != nil {
				odd := testenv.OdditiesOf(t, path)
				require.Positive(t, odd.Empty, "%s: %v", path, err)
				want, damaged = want[:odd.Empty-1], nil // the copy has the zeros too
			}
			require.NoError(t, damaged, path)
			require.Len(t, got, len(want), path)
			odd := false
			for n := range got {
				// The copy has 32 bits of seconds and no interfaces.
				g, w := got[n], want[n]
				if uint32(w.Time.Unix()) != uint32(g.unix()) || w.Time.Nanosecond() != g.Time.Nanosecond() {
					odd = odd || testenv.OdditiesOf(t, path).Times
					assert.True(t, odd, "%s packet %d: %v, not %v", path, n, g.Time, w.Time)
				}
				assert.Equal(t, w.Data, g.Data, "%s packet %d", path, n)
				assert.Equal(t, w.Length, g.Length, "%s packet %d", path, n)
			}
			compared += len(got)
		}
	}
	t.Logf("%d packets compared", compared)
	assert.NotZero(t, compared)
}

func (r *record) unix() int64 {
	if !r.HasTime {
		return 0
	}
	return r.Time.Unix()
}

// TestCorpusAgainstCapinfos compares what capinfos sums up over a file.
func TestCorpusAgainstCapinfos(t *testing.T) {
	capinfos := testenv.Program(t, "capinfos")
	corpus := testenv.Corpus(t)
	var paths []string
	for _, dir := range []string{"captures", "pcapng"} {
		for _, o := range readOracle(t, filepath.Join(corpus, dir)) {
			path := filepath.Join(corpus, dir, o.file)
			if !o.capinfosOK {
				continue
			}
			if _, _, err := readFile(t, path); err != nil {
				odd := testenv.OdditiesOf(t, path)
				assert.True(t, odd.Empty > 0 || odd.Version, "%s: %v", path, err)
				continue
			}
			paths = append(paths, path)
		}
	}
	dicom, err := filepath.Glob(filepath.Join(corpus, "dicom", "*.pcap"))
	require.NoError(t, err)
	paths = append(paths, dicom...)
	// -c packets, -d data size, -a and -e earliest and latest time, as a
	// table, times in seconds.
	args := append([]string{"-T", "-r", "-M", "-S", "-c", "-d", "-a", "-e"}, paths...)
	out, err := exec.Command(capinfos, args...).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, len(paths))
	for n, path := range paths {
		fields := strings.Split(lines[n], "\t")
		records, _, err := readFile(t, path)
		require.NoError(t, err, path)
		var bytes uint64
		var first, last time.Time
		for n, p := range records {
			bytes += uint64(p.Length) - pseudoHeader[p.LinkType]
			if n == 0 || p.HasTime && p.Time.Before(first) {
				first = p.Time
			}
			if n == 0 || p.HasTime && p.Time.After(last) {
				last = p.Time
			}
		}
		assert.Equal(t, fields[1], strconv.Itoa(len(records)), path)
		assert.Equal(t, fields[2], strconv.FormatUint(bytes, 10), path)
		if !inSeconds(t, fields[3], first) || !inSeconds(t, fields[4], last) {
			assert.True(t, testenv.OdditiesOf(t, path).Times, "%s: %v to %v, not %v", path, first, last, fields[3:])
		}
	}
	t.Logf("%d files compared", len(paths))
}

// inSeconds compares a time with capinfos' seconds, to as many digits as it prints.
func inSeconds(t *testing.T, want string, got time.Time) bool {
	t.Helper()
	if want == "n/a" {
		return true
	}
	whole, fraction, _ := strings.Cut(want, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	require.NoError(t, err)
	ns, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil { // less than none
		return false
	}
	unit := time.Second
	for range min(len(fraction), 9) {
		unit /= 10
	}
	return time.Unix(sec, ns).Equal(got.Truncate(unit))
}

// TestBlockSequences holds ng-test-generator's files to the list of their
// blocks that stands beside each.
func TestBlockSequences(t *testing.T) {
	corpus := testenv.Corpus(t)
	paths, err := filepath.Glob(filepath.Join(corpus, "pcapng/ng-test-generator/output_*/*/*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	count := regexp.MustCompile(`(?m)^\t(\w+): (\d+)$`)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		want := make(map[string]int)
		for _, m := range count.FindAllStringSubmatch(string(text), -1) {
			want[m[1]], _ = strconv.Atoi(m[2])
		}
		require.NotEmpty(t, want, path)

		records, r, err := readFile(t, strings.TrimSuffix(path, ".txt")+".pcapng")
		require.NoError(t, err, path)
		timed := 0
		for _, p := range records {
			if p.HasTime {
				timed++
			}
		}
		copyable := 0
		for _, c := range r.Custom() {
			if c.Copyable {
				copyable++
			}
		}
		got := map[string]int{
			"SHB": len(r.Sections()), "IDB": len(r.Interfaces()),
			"EPB": timed, "SPB": len(records) - timed,
			"ISB": len(r.Statistics()),
			"CB":  copyable, "DCB": len(r.Custom()) - copyable,
		}
		for block, n := range got {
			assert.Equal(t, want[block], n, "%s: %s", path, block)
		}
		// An NRB may be empty or have several names.
		if want["NRB"] == 0 {
			assert.Empty(t, r.Names(), path)
		}
		order := binary.ByteOrder(binary.LittleEndian)
		if strings.Contains(path, "output_be") {
			order = binary.BigEndian
		}
		assert.Equal(t, order, r.Section().ByteOrder, path)
	}
}

func TestCorpusRefusals(t *testing.T) {
	dir := filepath.Join(testenv.Corpus(t), "filter")
	lines, err := os.ReadFile(filepath.Join(dir, "savefile-reject-cases.jsonl"))
	require.NoError(t, err)
	cases := json.NewDecoder(bytes.NewReader(lines))
	refused := 0
	for {
		var c struct{ ID, Savefile string }
		if err := cases.Decode(&c); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
		_, _, err := readFile(t, filepath.Join(dir, c.Savefile))
		var format *pcapfile.FormatError
		assert.True(t, errors.As(err, &format), "%s: %v", c.ID, err)
		refused++
	}
	assert.NotZero(t, refused)
}
