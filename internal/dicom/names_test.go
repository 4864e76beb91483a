package dicom

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

func registry() []registered { return append(slices.Clone(sopClasses), transferSyntaxes...) }

func TestRegistry(t *testing.T) {
	seen := make(map[string]bool)
	for _, table := range [][]registered{sopClasses, transferSyntaxes} {
		assert.True(t, slices.IsSortedFunc(table, func(a, b registered) int { return strings.Compare(a.uid, b.uid) }))
		for _, r := range table {
			assert.False(t, seen[r.uid], r.uid)
			seen[r.uid] = true
			assert.Regexp(t, `^1\.2\.840\.10008(\.(0|[1-9]\d*))+$`, r.uid)
			assert.Equal(t, r.name, UIDName(r.uid))
		}
	}
	assert.Greater(t, len(sopClasses), 300)
	for _, other := range []string{"", "1.2.840.10008.1", "1.2.840.10008.5.1.4.1.1.2.9", "9", "1.2.826.0.1.3680043"} {
		assert.Equal(t, other, UIDName(other))
	}
}

// capture writes a capture of one TCP connection to port 11112 whose segments, the first
// of them the request's, are the payloads.
func capture(t *testing.T, payloads ...[]byte) (path string) {
	t.Helper()
	file := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeRaw, 0, true)
	seq := [2]uint32{1000, 1000}
	for i, payload := range payloads {
		from := i % 2 // they take turns
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
		tcp := []byte{0x2b, 0x67, 0x2b, 0x68, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0}
		if from == 1 {
			ip[15], ip[19] = ip[19], ip[15]
			tcp[1], tcp[3] = tcp[3], tcp[1]
		}
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(tcp)+len(payload)))
		binary.BigEndian.PutUint32(tcp[4:], seq[from])
		binary.BigEndian.PutUint32(tcp[8:], seq[1-from])
		seq[from] += uint32(len(payload))
		packet := slices.Concat(ip, tcp, payload)
		file = pcapfile.AppendRecord(file, int64(i)*1e6, packet, uint32(len(packet)), true)
	}
	path = filepath.Join(t.TempDir(), "made.pcap")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	return path
}

// proposal is an A-ASSOCIATE-RQ that proposes one abstract syntax in each context.
func proposal(uids []string) []byte {
	item := func(kind byte, parts ...[]byte) []byte {
		body := slices.Concat(parts...)
		return append(binary.BigEndian.AppendUint16([]byte{kind, 0}, uint16(len(body))), body...)
	}
	body := append([]byte{0, 1, 0, 0}, fmt.Sprintf("%-16s%-16s%032d", "PACS", "CT01", 0)...)
	body = append(body, item(0x10, []byte("1.2.840.10008.3.1.1.1"))...)
	for i, uid := range uids {
		body = append(body, item(0x20, []byte{byte(2*i + 1), 0, 0, 0}, item(0x30, []byte(uid)), item(0x40, []byte(uid)))...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{1, 0}, uint32(len(body))), body...)
}

// TestUIDNamesAgainstTshark has tshark name every UID of the tables, where it knows it.
func TestUIDNamesAgainstTshark(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	names := make(map[string]string)
	for uids := range slices.Chunk(registry(), 100) {
		var all []string
		for _, r := range uids {
			all = append(all, r.uid)
		}
		out, err := exec.Command(tshark, "-n", "-V", "-O", "dicom", "-d", "tcp.port==11112,dicom", "-r", capture(t, proposal(all))).Output()
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^\s*Abstract Syntax: (.+) \((1\.[0-9.]+)\)$`).FindAllStringSubmatch(string(out), -1) {
			names[m[2]] = m[1]
		}
	}
	same := 0
	for _, r := range registry() {
		theirs, ok := names[r.uid]
		if !ok || theirs == "(Retired)" { // it has no name for two
			continue
		}
		// It adds remarks of the standard to names.
		theirs, _, _ = strings.Cut(theirs, ": Default")
		theirs = strings.TrimSuffix(theirs, " (Retired)")
		theirs = strings.TrimSuffix(theirs, " UID")
		theirs = strings.Replace(theirs, " & ", " and ", 1)
		assert.Equal(t, theirs, strings.TrimSuffix(r.name, " (Retired)"), r.uid)
		same++
	}
	t.Logf("%d of %d names", same, len(registry()))
	assert.Greater(t, same, 340)
}

// short is a PDU with a body of four bytes.
func short(kind PDUType, body ...byte) []byte {
	return append([]byte{byte(kind), 0, 0, 0, 0, ShortSize}, body...)
}

// commandPDU is a P-DATA-TF with a command set of a command field and a status.
func commandPDU(field CommandField, status Status) []byte {
	element := func(number uint16, value ...byte) []byte {
		b := binary.LittleEndian.AppendUint16([]byte{0, 0}, number)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(value))), value...)
	}
	set := slices.Concat(
		element(ElementField, byte(field), byte(field>>8)), element(ElementRespondedTo, 1, 0),
		element(ElementDataSetType, 1, 1), element(ElementStatus, byte(status), byte(status>>8)),
	)
	set = append(element(0, byte(len(set)), 0, 0, 0), set...)
	b := binary.BigEndian.AppendUint32([]byte{byte(PDUData), 0}, uint32(len(set)+ValueHeaderSize))
	b = binary.BigEndian.AppendUint32(b, uint32(len(set)+2))
	return append(append(b, 1, FlagCommand|FlagLast), set...)
}

func tsharkV(t *testing.T, payloads ...[]byte) string {
	t.Helper()
	tshark := testenv.Program(t, "tshark")
	out, err := exec.Command(tshark, "-n", "-V", "-O", "dicom", "-d", "tcp.port==11112,dicom", "-r", capture(t, payloads...)).Output()
	require.NoError(t, err)
	return string(out)
}

// TestReasonsAgainstTshark has tshark say why associations are rejected and aborted.
func TestReasonsAgainstTshark(t *testing.T) {
	payloads := [][]byte{proposal([]string{"1.2.840.10008.1.1"})}
	var ours []string
	for source := byte(1); source <= 3; source++ {
		for reason := byte(1); reason <= 8; reason++ {
			for result := byte(1); result <= 2; result++ {
				body := []byte{0, result, source, reason}
				payloads = append(payloads, short(PDUAssociateRJ, body...), nil)
				r := ReadReject(body)
				ours = append(ours, fmt.Sprint(r.Result, ", ", r.Source, ", ", r.ReasonText()))
			}
		}
	}
	for reason := byte(0); reason <= 7; reason++ {
		body := []byte{0, 0, byte(AbortByProvider), reason}
		payloads = append(payloads, short(PDUAbort, body...), nil)
		a := ReadAbort(body)
		ours = append(ours, fmt.Sprint("aborted, ", a.Source, ", ", a.Reason))
	}
	var theirs []string
	result := "aborted"
	pattern := regexp.MustCompile(`(?m)^\s*(Result: (.*)\n\s*)?Source: (.*)\n\s*Reason: (.*)$`)
	for _, m := range pattern.FindAllStringSubmatch(tsharkV(t, payloads...), -1) {
		if result = m[2]; result == "" {
			result = "aborted"
		}
		theirs = append(theirs, strings.Join([]string{result, m[3], m[4]}, ", "))
	}
	require.Len(t, theirs, len(ours))
	words := strings.NewReplacer(
		"Reject Permanent", "rejected-permanent", "Reject Transient", "rejected-transient",
		", User,", ", service-user,", ", Provider", ", service-provider", "Presentation", "presentation",
		"No reason given", "no-reason-given", "Not specified", "reason-not-specified",
	)
	known := 0
	for i := range ours {
		if strings.HasSuffix(theirs[i], ", ") { // for tshark there is no such reason
			assert.Regexp(t, ` reason \d$`, ours[i])
			continue
		}
		want := words.Replace(theirs[i])
		want = strings.ReplaceAll(want, ", ", "|")
		want = strings.ReplaceAll(strings.ReplaceAll(want, " ", "-"), "|", ", ")
		got := strings.ReplaceAll(ours[i], " (", "-(")
		assert.Equal(t, strings.ToLower(want), strings.ToLower(got))
		known++
	}
	t.Logf("%d reasons", known)
}

// TestStatusesAgainstTshark has tshark name commands and what it knows of statuses, which
// for it don't depend on the command.
func TestStatusesAgainstTshark(t *testing.T) {
	payloads := [][]byte{proposal([]string{"1.2.840.10008.1.1"})}
	var ours []string
	ask := func(f CommandField, s Status) {
		payloads = append(payloads, commandPDU(f, s), nil)
		ours = append(ours, f.String()+": "+s.Text(f))
	}
	for f := range CommandField(0x0200) {
		if f.Operation() != "" {
			ask(f|Response, Success)
			ask(f, Success)
		}
	}
	ask(CCancelRQ, Success)
	for s := range Status(0x0300) {
		if s.Text(NSetRQ|Response) != "" && s != 0x0124 { // for tshark that is unknown
			ask(NSetRQ|Response, s)
		}
	}
	for _, s := range []Status{OutOfResources, NoMatches, NoSuboperations, UnknownDestination, 0xb000, Cancel} {
		ask(CMoveRQ|Response, s)
	}
	ask(NActionRQ|Response, 0xa510)
	for _, s := range []Status{0xa900, 0xb006, 0xb007} {
		ask(CStoreRQ|Response, s)
	}
	words := strings.NewReplacer("Refused: Out of Resources - Unable to calculate number of", "Out of resources: can't count",
		"Refused: Out of Resources - Unable to perform", "Out of resources: can't perform", "Refused: ", "", "Error: ", "",
		"Sub-operations Complete - One or more Failures", "Some sub-operations failed", "are not supported", "not supported",
		"No Such object", "No such SOP", "Invalid object", "Invalid SOP", "Unrecognized", "Unrecognised",
		"because an Initiate Media Creation action has already been received for this SOP Instance", "media creation was already requested")
	var theirs []string
	pattern := regexp.MustCompile(`Command Field\s+(\S.*)\n(?:.*\n){0,4}?.*0000,0900.* Status\s+(\S.*) \(0x`)
	for _, m := range pattern.FindAllStringSubmatch(tsharkV(t, payloads...), -1) {
		theirs = append(theirs, m[1]+": "+strings.TrimPrefix(words.Replace(m[2]), "Refused "))
	}
	require.Len(t, theirs, len(ours))
	for i := range ours {
		assert.Equal(t, strings.ToLower(theirs[i]), strings.ToLower(ours[i]))
	}
	t.Logf("%d commands and statuses", len(ours))
}

// TestStatus is of what tshark doesn't know: by the tables of PS3.4 and PS3.7 annex C.
func TestStatus(t *testing.T) {
	for _, test := range []struct {
		field    CommandField
		status   Status
		category StatusCategory
		text     string
	}{
		{CStoreRQ | Response, 0x0000, CategorySuccess, "Success"},
		{CFindRQ | Response, 0xff01, CategoryPending, "Pending, optional keys not supported"},
		{CMoveRQ | Response, 0xfe00, CategoryCancel, "Cancel"},
		{CStoreRQ | Response, 0x0124, CategoryFailure, "Not authorised"},
		{CStoreRQ | Response, 0xb000, CategoryWarning, "Coercion of data elements"},
		{CGetRQ | Response, 0xb000, CategoryWarning, "Some sub-operations failed"},
		{CFindRQ | Response, 0xb000, CategoryWarning, ""},
		{CStoreRQ | Response, 0xa7ff, CategoryFailure, "Out of resources"},
		{CStoreRQ | Response, 0xa701, CategoryFailure, "Out of resources"},
		{CMoveRQ | Response, 0xa701, CategoryFailure, "Out of resources: can't count matches"},
		{CStoreRQ | Response, 0xa801, CategoryFailure, ""},
		{CFindRQ | Response, 0xa900, CategoryFailure, "Identifier does not match SOP class"},
		{CStoreRQ | Response, 0xc123, CategoryFailure, "Cannot understand"},
		{CFindRQ | Response, 0xc001, CategoryFailure, "Unable to process"},
		{CFindRQ | Response, 0xc100, CategoryFailure, "More than one match found"},
		{CMoveRQ | Response, 0xaa02, CategoryFailure, "Unable to extract frames"},
		{NSetRQ | Response, 0x0107, CategoryWarning, "Attribute list error"},
		{NSetRQ | Response, 0x0116, CategoryWarning, "Attribute value out of range"},
		{NCreateRQ | Response, 0x0001, CategoryWarning, "Requested optional attributes not supported"},
		{NActionRQ | Response, 0xb603, CategoryWarning, "Film box has no image box: empty page"},
		{NActionRQ | Response, 0xc602, CategoryFailure, "Print queue is full"},
		{NActionRQ | Response, 0xc301, CategoryFailure, "Wrong transaction UID"},
		{CEchoRQ | Response, 0xc301, CategoryFailure, ""},
		{CEchoRQ | Response, 0x1234, CategoryFailure, ""},
	} {
		assert.Equal(t, test.category, test.status.Category(), "%v %v", test.field, test.status)
		assert.Equal(t, test.text, test.status.Text(test.field), "%v %v", test.field, test.status)
	}
	assert.Equal(t, "A700", OutOfResources.String())
	assert.Equal(t, "failure", CategoryFailure.String())
}

func TestCommandField(t *testing.T) {
	assert.Equal(t, "C-CANCEL-RQ", CCancelRQ.String())
	assert.Equal(t, "command 0x8fff", (CCancelRQ | Response).String())
	assert.Equal(t, "command 0x0002", CommandField(2).String())
	assert.True(t, (CMoveRQ | Response).IsResponse())
	assert.Equal(t, CMoveRQ, (CMoveRQ | Response).Request())
}

// TestNamesOfNumbers names what is in the standard, and shows other numbers as they are.
func TestNamesOfNumbers(t *testing.T) {
	for name, is := range map[string]fmt.Stringer{
		"P-DATA-TF": PDUData, "PDU 8": PDUType(8), "A-ABORT": PDUAbort,
		"acceptance": ContextAccepted, "transfer-syntaxes-not-supported": ContextTransferSyntaxes, "result 5": ContextResult(5),
		"rejected-transient": RejectedTransient, "result 3": RejectResult(3), "source 4": RejectSource(4),
		"service-user": AbortByUser, "source 1": AbortSource(1), "reason 3": AbortReason(3),
		"SAML assertion": IdentitySAML, "identity type 9": IdentityType(9), "low": PriorityLow, "priority 3": Priority(3),
		"cancel": CategoryCancel, "category 0": StatusCategory(0),
		"DICOM": UpperLayer, "PROXY protocol": ProxyProtocol, "kind 99": Kind(99),
		"messages interleaved": FaultInterleaved, "fault 0": Fault(0), "fault 99": Fault(99),
	} {
		assert.Equal(t, name, is.String())
	}
}

// TestBehindProxyProtocol has both versions of HAProxy's PROXY protocol before a request.
func TestBehindProxyProtocol(t *testing.T) {
	v2 := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x0b\x0a\x00\x00\x02\x9c\x41\x00\x68")
	for header, want := range map[string]string{
		"PROXY TCP4 10.0.0.11 10.0.0.2 40001 104\r\n": "request",
		"PROXY UNKNOWN\r\n":                           "request",
		string(v2):                                    "request",
		string(v2[:15]):                               "", // not all of it
		"PROXY TCP4 10.0.0.11":                        "",
		"GET / HTTP/1.1\r\n":                          "",
	} {
		assert.Equal(t, want, string(BehindProxyProtocol([]byte(header+want))))
	}
}
