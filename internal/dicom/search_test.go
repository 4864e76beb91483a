package dicom_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"netcap/internal/dicom"
	"netcap/internal/testenv"
)

// TestSearch joins streams at segments: what a decoder takes for the beginning of a PDU,
// and what it doesn't.
func TestSearch(t *testing.T) {
	echo := []string{"begin", "P-DATA-TF of 74", "C-ECHO-RQ …"}
	for _, test := range []struct {
		name   string
		stream string
		want   []string
	}{
		{"an echo", echoRQ, echo},
		{"an echo in pieces", "04 00 00 |0| 00004a |0| 00000046 03 |0| 03 00000000 04000000 38000000" + strings.SplitN(echoRQ, "38000000", 2)[1], echo},
		{"an echo behind what may begin as one", "04 00 00 |0|" + echoRQ, append([]string{"3 bytes lost"}, echo...)},
		{"an echo behind a piece of one and a hole", "04 00 00 |7|" + echoRQ, append([]string{"10 bytes lost"}, echo...)},
		{"not within a segment", "11" + echoRQ, []string{"81 bytes lost"}},
		{"a request", associateRQ, []string{"begin", "A-ASSOCIATE-RQ …"}},
		{"a request in pieces", strings.Replace(associateRQ, "0001 0000", "00 |0| 01 0000", 1), []string{"begin", "A-ASSOCIATE-RQ …"}},
		{"a release", releaseRQ, []string{"begin", "A-RELEASE-RQ"}},
		{"a release and more", releaseRQ + "ff", []string{"11 bytes lost"}},
		{"a release and an answer to one", releaseRQ + releaseRP, []string{"begin", "A-RELEASE-RQ", "begin", "A-RELEASE-RP"}},
		{"a rejection", "03 00 00000004 00 01 01 07", []string{"begin", "A-ASSOCIATE-RJ …"}},
		{"a rejection by nobody", "03 00 00000004 00 01 00 07", []string{"10 bytes lost"}},
		{"an abort", "07 00 00000004 00 00 00 00", []string{"begin", "A-ABORT …"}},
		{"an abort by nobody", "07 00 00000004 00 00 03 00", []string{"10 bytes lost"}},
		{"pixels", "0400 0500 0300 0200 0100 0100 0700", []string{"14 bytes lost"}},
		{"pixels that are black", "0400 0000 0000 0000 0000 0100 0000", []string{"14 bytes lost"}},
		{"an even context", "04 00 0000000a 00000006 02 00 01020304", []string{"16 bytes lost"}},
		{"a value and nothing to be seen of the next", "04 00 00000014 00000006 01 00 01020304", []string{"16 bytes lost"}},
		{"a value and another one", "04 00 00000014 00000006 01 00 01020304 00000006 01 02 05060708", []string{
			"begin", "P-DATA-TF of 20", "data set of context 1, 8 bytes, last",
		}},
		{"the end of a command set", "04 00 0000000a 00000006 01 03 01020304" + echoRQ, append([]string{"begin", "P-DATA-TF of 10"}, echo...)},
		{"a false one", "04 00 00000007 00000003 01 00 01 ff00 00000000 |0|" + echoRQ, append([]string{
			"begin", "P-DATA-TF of 7", "data set of context 1, 1 bytes", "begin", "6 bytes lost",
		}, echo...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			d := dicom.New(&r)
			d.Join()
			compareWith(t, &r, d, test.stream, test.want)
		})
	}
}

func TestDetect(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes []byte
		want  dicom.Kind
	}{
		{"nothing", nil, dicom.Unknown},
		{"a request", unhex(t, associateRQ), dicom.UpperLayer},
		{"a request cut by a snap length", unhex(t, associateRQ)[:62], dicom.UpperLayer},
		{"a command set", unhex(t, echoRQ), dicom.UpperLayer},
		{"HTTP's answer", []byte("HTTP/1.0 400 Bad request"), dicom.HTTP},
		{"HTTP/2", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), dicom.HTTP},
		{"a word like GET", []byte("GETTING on"), dicom.Unknown},
		{"SSH", []byte("SSH-2.0-OpenSSH_9.6\r\n"), dicom.SSH},
		{"HL7", []byte("\vMSH|^~\\&|"), dicom.HL7},
		{"PROXY", []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), dicom.ProxyProtocol},
		{"PROXY, binary", []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), dicom.ProxyProtocol},
		{"a TLS alert", []byte("\x15\x03\x01\x00\x02\x02\x46"), dicom.TLS},
		{"an older SSL", []byte("\x80\x2e\x01\x03\x01"), dicom.Unknown},
	} {
		assert.Equal(t, test.want, dicom.Detect(test.bytes), test.name)
	}
}

// TestDetectCorpus detects what the streams of captures are that aren't DICOM, and some
// that are.
func TestDetectCorpus(t *testing.T) {
	for name, want := range map[string]map[dicom.Kind]int{
		"store_ok.pcap":         {dicom.UpperLayer: 2},
		"store_snap128.pcap":    {dicom.UpperLayer: 2},
		"rj_table.pcap":         {dicom.UpperLayer: 12},
		"tls_ok.pcap":           {dicom.TLS: 2},
		"tls_plain_server.pcap": {dicom.TLS: 1},
		"http_on_dicom.pcap":    {dicom.HTTP: 1},
		"mixed.pcap":            {dicom.UpperLayer: 8, dicom.HTTP: 2},
		"probes.pcap":           {},
	} {
		got := make(map[dicom.Kind]int)
		for _, s := range streams(t, filepath.Join(testenv.Corpus(t), "dicom", name)) {
			if len(s.segments) > 0 {
				got[dicom.Detect(s.segments[0].data)]++
			}
		}
		assert.Equal(t, want, got, name)
	}
}
