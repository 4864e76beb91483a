package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"netcap/internal/diagnosis"
	"netcap/internal/printable"
)

// printReport prints a diagnosis as printJSON does, a part at a time: as a whole it would take
// several times the memory of what it is made from.
func printReport(w io.Writer, r *diagnosis.Report) error {
	buffered := bufio.NewWriter(w)
	j := &jsonParts{w: printable.JSON{W: buffered}}
	j.print("{\n  \"version\": ")
	j.value("  ", r.Version)
	j.print(",\n  \"capture\": ")
	j.value("  ", r.Capture)
	j.print(",\n  \"associations\": ")
	jsonArray("  ", j, r.Associations, j.association)
	j.print(",\n  \"connections\": ")
	jsonArray("  ", j, r.Connections, func(indent string, c *diagnosis.Connection) { j.value(indent, c) })
	j.print(",\n  \"findings\": ")
	jsonArray("  ", j, r.Findings, func(indent string, f *diagnosis.Finding) { j.value(indent, f) })
	j.print(",\n  \"omitted\": ")
	j.value("  ", r.Omitted)
	j.print("\n}\n")
	if j.err != nil {
		return j.err
	}
	return buffered.Flush()
}

// jsonParts writes a document. What is written at once ends with a character.
type jsonParts struct {
	w   io.Writer
	err error
}

func (j *jsonParts) print(s string) { j.write([]byte(s)) }

func (j *jsonParts) write(b []byte) {
	if j.err == nil {
		_, j.err = j.w.Write(b)
	}
}

// encode returns a value whose lines, but for the first, are so far to the right.
func (j *jsonParts) encode(indent string, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(indent, "  ")
	if err := e.Encode(v); err != nil && j.err == nil {
		j.err = err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (j *jsonParts) value(indent string, v any) { j.write(j.encode(indent, v)) }

// association writes one, with its operations one by one.
func (j *jsonParts) association(indent string, as *diagnosis.Association) {
	without := *as
	without.Operations = []*diagnosis.Operation{}
	name := "\n" + indent + `  "operations": `
	before, after, _ := bytes.Cut(j.encode(indent, &without), []byte(name+"[]")) // no text has an end of line
	j.write(before)
	j.print(name)
	jsonArray(indent+"  ", j, as.Operations, func(indent string, o *diagnosis.Operation) { j.value(indent, o) })
	j.write(after)
}

// jsonArray writes an array, each element by a function.
func jsonArray[T any](indent string, j *jsonParts, all []T, write func(indent string, v T)) {
	if len(all) == 0 {
		j.print("[]")
		return
	}
	separator := "[\n  "
	for _, v := range all {
		j.print(separator + indent)
		write(indent+"  ", v)
		separator = ",\n  "
	}
	j.print("\n" + indent + "]")
}
