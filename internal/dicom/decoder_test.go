package dicom_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/dicom"
)

// unhex reads hexadecimal bytes, between which there may be spaces and, in parentheses,
// what they are.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	depth := 0
	for _, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && !strings.ContainsRune(" \n\t", c):
			digits.WriteRune(c)
		}
	}
	b, err := hex.DecodeString(digits.String())
	require.NoError(t, err, s)
	return b
}

// PDUs by hand, from the tables of PS3.8 section 9.3 and PS3.7 annexes D and E.
const (
	associateRQ = `
		01 00 000000f1      (A-ASSOCIATE-RQ, 241 bytes)
		0001 0000           (version 1)
		50414353 20202020 20202020 20202020 (called PACS)
		20435430 31202020 20202020 20202020 (calling " CT01")
		00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
		10 00 0015 312e322e3834302e31303030382e332e312e312e31 (application context)
		20 00 002e 03 00 00 00                                (presentation context 3)
		30 00 0011 312e322e3834302e31303030382e312e31         (1.2.840.10008.1.1)
		40 00 0011 312e322e3834302e31303030382e312e32         (1.2.840.10008.1.2)
		50 00 005e
		51 00 0004 00004000                                   (maximum length 16384)
		52 00 0003 312e32                                     (implementation class 1.2)
		53 00 0004 0005 0002                                  (asynchronous operations)
		54 00 0007 0003 312e33 00 01                          (1.3: SCP)
		54 00 0007 0003 312e34 01 00                          (1.4: SCU)
		55 00 0003 4e4554                                     (version NET)
		56 00 0008 0003 312e35 000001                         (1.5: extended)
		57 00 000c 0003 312e36 0003 312e37 0000               (1.6: common extended)
		58 00 000a 02 01 0002 6d65 0002 7077                  (me, pw)
	`
	associateAC = `
		02 00 0000007e
		0001 0000
		50414353 20202020 20202020 20202020
		43543031 20202020 20202020 20202020
		00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
		21 00 0019 03 00 00 00 40 00 0011 312e322e3834302e31303030382e312e32
		21 00 0004 05 00 04 00
		50 00 0011
		51 00 0004 00000000
		59 00 0005 0003 6b6579
	`
	echoRQ = `
		04 00 0000004a 00000046 03 03
		0000 0000 04000000 38000000
		0000 0200 12000000 312e322e3834302e31303030382e312e3100
		0000 0001 02000000 3000
		0000 1001 02000000 0700
		0000 0008 02000000 0101
	`
	releaseRQ = `05 00 00000004 00000000`
	releaseRP = `06 00 00000004 00000000`
)

func decode(t testing.TB, d *dicom.Decoder, stream string) {
	t.Helper()
	d.Write(unhex(t, stream))
}

func TestAssociate(t *testing.T) {
	var r recorder
	d := dicom.New(&r)
	decode(t, d, associateRQ+associateAC)
	require.Len(t, r.associates, 2)
	assert.Equal(t, &dicom.Associate{
		ProtocolVersion: 1, Called: "PACS", Calling: "CT01", ApplicationContext: "1.2.840.10008.3.1.1.1",
		Contexts: []dicom.Context{{
			ID: 3, AbstractSyntax: "1.2.840.10008.1.1", TransferSyntaxes: []string{"1.2.840.10008.1.2"},
		}},
		MaxLength: 16384, HasMaxLength: true, ImplementationClass: "1.2", ImplementationVersion: "NET",
		AsyncInvoked: 5, AsyncPerformed: 2, HasAsync: true,
		Roles:    []dicom.Role{{SOPClass: "1.3", SCP: true}, {SOPClass: "1.4", SCU: true}},
		Extended: []string{"1.5"}, CommonExtended: []string{"1.6"},
		Identity: dicom.Identity{Type: dicom.IdentityPasscode, ResponseRequested: true},
	}, r.associates[0])
	assert.Equal(t, &dicom.Associate{
		Response: true, ProtocolVersion: 1, Called: "PACS", Calling: "CT01",
		Contexts: []dicom.Context{
			{ID: 3, TransferSyntaxes: []string{"1.2.840.10008.1.2"}},
			{ID: 5, Result: dicom.ContextTransferSyntaxes},
		},
		HasMaxLength: true, Identity: dicom.Identity{Accepted: true},
	}, r.associates[1])
	assert.Len(t, r.events, 4)
}

// TestTruncatedAssociate cuts the request at each byte: what is told of it is never wrong,
// and more of it, the more there is.
func TestTruncatedAssociate(t *testing.T) {
	whole := unhex(t, associateRQ)
	var full recorder
	dicom.New(&full).Write(whole)
	contexts, roles := 0, 0
	for n := dicom.HeaderSize; n < len(whole); n++ {
		var missing, closed recorder
		d := dicom.New(&missing)
		d.Write(whole[:n])
		d.Missing(int64(len(whole) - n))
		d.Write(unhex(t, releaseRQ))
		require.Len(t, missing.associates, 1)
		assert.Equal(t, 1, missing.counts[dicom.PDUReleaseRQ])
		d = dicom.New(&closed)
		d.Write(whole[:n])
		d.Close()
		assert.Equal(t, missing.associates, closed.associates)

		a, want := *missing.associates[0], *full.associates[0]
		assert.True(t, a.Truncated)
		assert.GreaterOrEqual(t, len(a.Contexts), contexts)
		assert.GreaterOrEqual(t, len(a.Roles), roles)
		contexts, roles = len(a.Contexts), len(a.Roles)
		assert.True(t, strings.HasPrefix(want.Called, a.Called))
		assert.True(t, strings.HasPrefix(want.Calling, a.Calling))
		assert.Contains(t, []string{"", want.ApplicationContext}, a.ApplicationContext)
		assert.Contains(t, []uint32{0, want.MaxLength}, a.MaxLength)
		assert.Contains(t, []string{"", want.ImplementationVersion}, a.ImplementationVersion)
		for i, c := range a.Contexts {
			assert.Equal(t, want.Contexts[i], c)
		}
		for i, role := range a.Roles {
			assert.Equal(t, want.Roles[i], role)
		}
	}
	assert.Equal(t, 1, contexts)
	assert.Equal(t, 2, roles)
}

// TestNoPasscode holds that what identifies a user is in nothing that is handed on.
func TestNoPasscode(t *testing.T) {
	var r recorder
	stream := unhex(t, associateRQ)
	copy(stream[len(stream)-6:], "\xfe\xfd\x00\x02\xfe\xfd")
	dicom.New(&r).Write(stream)
	require.Len(t, r.associates, 1)
	for _, event := range r.events {
		assert.NotContains(t, event, "\xfe")
		assert.NotContains(t, event, "\xfd")
	}
}

func TestCommand(t *testing.T) {
	// A C-STORE-RQ out of a C-MOVE, a C-MOVE-RSP, and the response of an N-service with
	// all that can go wrong.
	stream := `
		04 00 00000066 00000062 01 03
		0000 0000 04000000 54000000
		0000 0200 04000000 312e3200
		0000 0001 02000000 0100
		0000 1001 02000000 0300
		0000 0007 02000000 0200
		0000 0008 02000000 0100
		0000 0010 04000000 312e3900
		0000 3010 02000000 5753
		0000 3110 02000000 0900
		04 00 00000006 00000002 01 02
		04 00 0000006e 0000006a 05 03
		0000 0000 04000000 5c000000
		0000 0001 02000000 2180
		0000 2001 02000000 0900
		0000 0006 04000000 41203100
		0000 0008 02000000 0101
		0000 0009 02000000 00b0
		0000 2010 02000000 0100
		0000 2110 02000000 0200
		0000 2210 02000000 0300
		0000 2310 02000000 0000
		04 00 00000078 00000074 01 03
		0000 0000 04000000 66000000
		0000 0300 04000000 312e3200
		0000 0001 02000000 3081
		0000 0009 02000000 1001
		0000 0109 08000000 1000 2000 0800 6000
		0000 0209 04000000 4f6f7073
		0000 0309 02000000 10a7
		0000 0110 04000000 312e3800
		0000 0210 02000000 0600
		0000 0810 02000000 0700
	`
	var r recorder
	decode(t, dicom.New(&r), stream)
	assert.Equal(t, []*dicom.Command{
		{
			Context: 1, Field: dicom.CStoreRQ, MessageID: 3, Priority: dicom.PriorityLow, DataSetType: 1,
			Has:              dicom.HasField | dicom.HasMessageID | dicom.HasPriority | dicom.HasDataSetType | dicom.HasMoveOriginatorMessageID,
			AffectedSOPClass: "1.2", AffectedSOPInstance: "1.9", MoveOriginator: "WS", MoveOriginatorMessageID: 9,
		},
		{
			Context: 5, Field: dicom.CMoveRQ | dicom.Response, RespondedTo: 9, DataSetType: dicom.NoDataSet, Status: 0xb000,
			MoveDestination: "A 1", Remaining: 1, Completed: 2, Failed: 3,
			Has: dicom.HasField | dicom.HasRespondedTo | dicom.HasDataSetType | dicom.HasStatus |
				dicom.HasRemaining | dicom.HasCompleted | dicom.HasFailed | dicom.HasWarning,
		},
		{
			Context: 1, Field: dicom.NActionRQ | dicom.Response, Status: 0x0110, ErrorComment: "Oops", ErrorID: 0xa710,
			RequestedSOPClass: "1.2", RequestedSOPInstance: "1.8", EventType: 6, ActionType: 7,
			OffendingElements: []dicom.Tag{{Group: 0x0010, Element: 0x0020}, {Group: 0x0008, Element: 0x0060}},
			Has:               dicom.HasField | dicom.HasStatus | dicom.HasErrorID | dicom.HasEventType | dicom.HasActionType,
		},
	}, r.commands)
	assert.Equal(t, "(0010,0020)", r.commands[2].OffendingElements[0].String())
	assert.True(t, r.commands[0].HasDataSet())
	assert.False(t, r.commands[1].HasDataSet())
	assert.Equal(t, []string{"1.2", "1.9"}, []string{r.commands[0].SOPClass(), r.commands[0].SOPInstance()})
	assert.Equal(t, []string{"1.2", "1.8"}, []string{r.commands[2].SOPClass(), r.commands[2].SOPInstance()})
	assert.Contains(t, r.events, "data set of context 1, 0 bytes, last")
	assert.NotContains(t, strings.Join(r.events, "\n"), "broken")
}

// TestStreams decodes streams by hand and compares what comes of them, whole lines or,
// where they end with …, the beginnings of lines.
func TestStreams(t *testing.T) {
	echo := []string{"begin", "P-DATA-TF of 74", "C-ECHO-RQ …"}
	store := `0000 0000 04000000 14000000  0000 0001 02000000 0100  0000 0008 02000000 0100`
	storing := "C-STORE-RQ …"
	for _, test := range []struct {
		name   string
		stream string // "| 12 |" is where 12 bytes are missing
		want   []string
	}{
		{"an echo", echoRQ + releaseRQ, append(echo[:3:3], "begin", "A-RELEASE-RQ")},
		{"the answers", releaseRP + "03 00 00000004 00 01 01 07" + "07 00 00000004 00 00 02 02", []string{
			"begin", "A-RELEASE-RP", "begin", "A-ASSOCIATE-RJ rejected-permanent, service-user, called-AE-title-not-recognized, false",
			"begin", "A-ABORT service-provider, unexpected-PDU, false",
		}},
		{"command and data set in one PDU", "04 00 00000030 00000022 01 03" + store + "00000006 01 02 11223344" + releaseRQ, []string{
			"begin", "P-DATA-TF of 48", storing, "data set of context 1, 4 bytes, last", "begin", "A-RELEASE-RQ",
		}},
		{"a command set in three values and two PDUs, a data set in three", `
			04 00 0000001c 00000002 01 01 00000012 01 01 0000 0000 04000000 14000000 0000 0001
			04 00 00000016 00000012 01 03 02000000 0100 0000 0008 02000000 0100
			04 00 0000000e 00000004 01 00 1122 00000002 01 00
			04 00 00000007 00000003 01 02 33`, []string{
			"begin", "P-DATA-TF of 28", "begin", "P-DATA-TF of 22", storing,
			"begin", "P-DATA-TF of 14", "data set of context 1, 2 bytes", "begin", "P-DATA-TF of 7", "data set of context 1, 1 bytes, last",
		}},
		{"data set to the end of the PDU, then an empty last value", "04 00 00000026 00000022 01 03" + store +
			"04 00 0000000a 00000006 01 00 11223344 04 00 00000006 00000002 01 02", []string{
			"begin", "P-DATA-TF of 38", storing, "begin", "P-DATA-TF of 10", "data set of context 1, 4 bytes",
			"begin", "P-DATA-TF of 6", "data set of context 1, 0 bytes, last",
		}},
		{"an abort in the middle of a command set", "04 00 0000000e 0000000a 01 01 00000000 04000000 07 00 00000004 00 00 00 00", []string{
			"begin", "P-DATA-TF of 14", "begin", "command 0x0000 …", "A-ABORT service-user, reason-not-specified, false",
		}},

		// Holes.
		{"a hole in a data set", "04 00 00000026 00000022 01 03" + store + "04 00 00000056 00000052 01 02 1122 |78|" + echoRQ, append([]string{
			"begin", "P-DATA-TF of 38", storing, "begin", "P-DATA-TF of 86", "data set of context 1, 80 bytes, some missing, last",
		}, echo...)},
		{"a hole over headers", "04 00 00000026 00000022 01 03" + store + "04 00 00000056 00000052 01 00 1122 |82| 334455 | 0 |" + echoRQ, append([]string{
			"begin", "P-DATA-TF of 38", storing, "begin", "P-DATA-TF of 86", "data set of context 1, 80 bytes, some missing", "7 bytes lost",
		}, echo...)},
		{"a hole over the header of a value", "04 00 00000038 00000022 01 03" + store + "0000 |3| 02112233445566778899001122" + echoRQ, append([]string{
			"begin", "P-DATA-TF of 56", storing, "18 bytes lost",
		}, echo...)},
		{"a hole in a command set", "04 00 00000026 00000022 01 03 0000 0000 04000000 14000000  0000 0001 02000000 0100 |3| 0802000000 0100" + releaseRQ, []string{
			"begin", "P-DATA-TF of 38", "C-STORE-RQ {Context:1 …", "begin", "A-RELEASE-RQ",
		}},
		{"a hole in a rejection", "03 00 00000004 00 01 |2|" + releaseRQ, []string{
			"begin", "A-ASSOCIATE-RJ rejected-permanent, source 0, reason 0, true", "begin", "A-RELEASE-RQ",
		}},
		{"a hole from the header of a command set on", "04 00 00000026 00000022 01 01 0000 0000 04000000 14000000  0000 0001 02000000 0100 |900|" + echoRQ, append([]string{
			"begin", "P-DATA-TF of 38", "C-STORE-RQ {Context:1 …", "890 bytes lost",
		}, echo...)},

		// What breaks the rules.
		{"no PDU", "47 45 54 20 2f 20 | 0 |" + releaseRQ, []string{"begin", "broken at 0: unknown PDU type", "6 bytes lost", "begin", "A-RELEASE-RQ"}},
		{"no PDU behind one", releaseRQ + "09 00 00000000 00 | 0 |" + releaseRQ, []string{
			"begin", "A-RELEASE-RQ", "begin", "broken at 10: unknown PDU type", "7 bytes lost", "begin", "A-RELEASE-RQ",
		}},
		{"a release of 5 bytes", "05 00 00000005 0000000000", []string{"begin", "broken at 0: wrong PDU length", "11 bytes lost"}},
		{"a request of 67 bytes", "01 00 00000043 0001", []string{"begin", "broken at 0: wrong PDU length", "8 bytes lost"}},
		{"a P-DATA-TF without a value", "04 00 00000005 00000001 01", []string{"begin", "broken at 0: wrong PDU length", "11 bytes lost"}},
		{"a value of no length", "04 00 00000006 00000000 01 03", []string{"begin", "P-DATA-TF of 6", "broken at 6: wrong length of a presentation data value", "6 bytes lost"}},
		{"a value beyond its PDU", "04 00 00000006 00000003 01 03 00", []string{"begin", "P-DATA-TF of 6", "broken at 6: wrong length of a presentation data value", "7 bytes lost"}},
		{"less than a value behind one", "04 00 00000008 00000002 01 00 0000", []string{
			"begin", "P-DATA-TF of 8", "broken at 6: unannounced data set", "broken at 12: wrong length of a presentation data value", "2 bytes lost",
		}},
		{"an even context", "04 00 00000006 00000002 02 00 04 00 00000006 00000002 02 00", []string{
			"begin", "P-DATA-TF of 6", "broken at 6: even presentation context", "broken at 6: unannounced data set", "begin", "P-DATA-TF of 6",
		}},
		{"a data set behind an echo", echoRQ + "04 00 00000007 00000003 03 02 11", append(echo[:3:3],
			"begin", "P-DATA-TF of 7", "broken at 86: unannounced data set", "data set of context 3, 1 bytes, last")},
		{"an echo in place of a data set", "04 00 00000026 00000022 01 03" + store + echoRQ, []string{
			"begin", "P-DATA-TF of 38", storing, "begin", "P-DATA-TF of 74", "broken at 50: announced data set missing", "C-ECHO-RQ …",
		}},
		{"a data set of another context", "04 00 00000026 00000022 01 03" + store + "04 00 00000007 00000003 03 02 11", []string{
			"begin", "P-DATA-TF of 38", storing, "begin", "P-DATA-TF of 7", "broken at 50: messages interleaved", "data set of context 3, 1 bytes, last",
		}},
		{"a command set in another one", "04 00 0000000e 0000000a 01 01 00000000 04000000" + echoRQ, []string{
			"begin", "P-DATA-TF of 14", "begin", "P-DATA-TF of 74", "broken at 26: messages interleaved", "command 0x0000 {Context:1 …", "C-ECHO-RQ {Context:3 …",
		}},
		{"no command set", "04 00 0000000e 0000000a 01 03 08000000 04000000" + releaseRQ, []string{
			"begin", "P-DATA-TF of 14", "broken at 20: malformed command set", "begin", "A-RELEASE-RQ",
		}},
		{"an item too long", strings.Replace(associateAC, "59 00 0005", "59 00 0006", 1), []string{
			"begin", "broken at 132: wrong length of an item", "A-ASSOCIATE-AC …",
		}},
		{"a PDU of 4 GB", "04 00 ffffffff fffffffb 01 00 | 4294967289 |" + releaseRQ, []string{
			"begin", "P-DATA-TF of 4294967295", "broken at 6: unannounced data set", "data set of context 1, 4294967289 bytes, some missing", "begin", "A-RELEASE-RQ",
		}},
	} {
		t.Run(test.name, func(t *testing.T) { compare(t, test.stream, test.want) })
	}
}

func compare(t *testing.T, stream string, want []string) {
	t.Helper()
	var r recorder
	compareWith(t, &r, dicom.New(&r), stream, want)
}

func compareWith(t *testing.T, r *recorder, d *dicom.Decoder, stream string, want []string) {
	t.Helper()
	for i, part := range strings.Split(stream, "|") {
		if i%2 == 0 {
			decode(t, d, part)
			continue
		}
		var n int64
		for _, digit := range strings.TrimSpace(part) {
			n = 10*n + int64(digit-'0')
		}
		d.Missing(n)
	}
	r.flush()
	require.Len(t, r.events, len(want), strings.Join(r.events, "\n"))
	for i, line := range want {
		if start, ok := strings.CutSuffix(line, "…"); ok {
			assert.True(t, strings.HasPrefix(r.events[i], start), "%s, want %s", r.events[i], line)
		} else {
			assert.Equal(t, line, r.events[i])
		}
	}
}
