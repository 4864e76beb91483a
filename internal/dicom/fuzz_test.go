package dicom_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/dicom"
	"netcap/internal/testenv"
)

// FuzzSegments decodes a stream in one piece and in segments: what is told is the same, up
// to where the decoder doesn't know its place any more, for there segments matter. As
// many bytes are data sets' or lost as there are, at most.
func FuzzSegments(f *testing.F) {
	seed(f, func(stream []byte) {
		f.Add(stream, []byte{1})
		f.Add(stream, []byte{6, 6, 68, 200, 12})
	})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		var whole, cut recorder
		d := dicom.New(&whole)
		d.Write(stream)
		d.Close()
		whole.flush()

		d = dicom.New(&cut)
		rest := stream
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, int(sizes[i%len(sizes)])+1)
			}
			d.Write(append([]byte(nil), rest[:n]...)) // bytes beyond are not to be looked at
			rest = rest[n:]
		}
		d.Close()
		cut.flush()
		require.Equal(t, known(whole.events), known(cut.events))
		for _, r := range []recorder{whole, cut} {
			require.LessOrEqual(t, r.dataSet+r.allLost, int64(len(stream)))
		}
	})
}

// known are the events before the first lost bytes.
func known(events []string) []string {
	for i, e := range events {
		if strings.HasSuffix(e, "bytes lost") {
			return events[:i]
		}
	}
	return events
}

// FuzzHoles leaves bytes out of a stream. Whatever is told, the bytes add up, and nothing
// comes of nothing: what isn't truncated is in the stream.
func FuzzHoles(f *testing.F) {
	seed(f, func(stream []byte) {
		f.Add(stream, []byte{100, 3, 12, 255}, false)
		f.Add(stream, []byte{0, 20, 60, 40}, true)
	})
	f.Fuzz(func(t *testing.T, stream, sizes []byte, join bool) {
		var r recorder
		d := dicom.New(&r)
		if join {
			d.Join()
		}
		rest, missing := stream, int64(0)
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, int(sizes[i%len(sizes)])+i%2)
			}
			if i%2 == 0 {
				d.Write(append([]byte(nil), rest[:n]...))
			} else {
				d.Missing(int64(n))
				missing += int64(n)
			}
			rest = rest[n:]
			if n == 0 && len(sizes) == 1 {
				break
			}
		}
		d.Close()
		r.flush()
		require.LessOrEqual(t, r.dataSet+r.allLost, int64(len(stream)))
		require.LessOrEqual(t, r.missing, missing)
		for _, c := range r.commands {
			for _, text := range []string{c.AffectedSOPClass, c.AffectedSOPInstance, c.ErrorComment, c.MoveDestination} {
				require.Contains(t, string(stream), text)
			}
		}
		for _, a := range r.associates {
			require.Contains(t, string(stream), a.ImplementationVersion)
			require.LessOrEqual(t, len(a.Contexts), len(stream)/4)
		}
		for _, e := range r.events {
			require.NotContains(t, e, "fault ")
		}
	})
}

// FuzzDetect holds that what is detected doesn't depend on what follows the first segments,
// and that a decoder that joins a stream there finds a PDU in what is called DICOM.
func FuzzDetect(f *testing.F) {
	seed(f, func(stream []byte) { f.Add(stream) })
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r recorder
		d := dicom.New(&r)
		d.Join()
		d.Write(b)
		found := len(r.events) > 0 && r.events[0] == "begin"
		require.Equal(t, len(b) > 2 && found, dicom.Detect(b) == dicom.UpperLayer)
	})
}

// seed adds PDUs by hand, and the beginnings of the streams of the corpus where there is
// one: the fuzzer runs without it too.
func seed(f *testing.F, add func(stream []byte)) {
	f.Helper()
	add(unhex(f, associateRQ+associateAC+echoRQ+releaseRQ+releaseRP))
	if _, err := os.Stat(filepath.Join("..", "..", "..", "shared", "corpus")); err != nil && os.Getenv("NETCAP_CORPUS") == "" {
		return
	}
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(f), "dicom", "*.pcap"))
	require.NoError(f, err)
	for _, path := range paths {
		for _, s := range streams(f, path) {
			var b []byte
			for _, g := range s.segments {
				b = append(b, g.data...)
			}
			if len(b) > 0 {
				add(b[:min(len(b), 2048)])
			}
		}
	}
}
