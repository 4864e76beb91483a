package diagnosis_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
)

// TestDocument holds docs/dicom-json.md to the types: it describes each field, and no other,
// and each id that a finding of these files can have.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "dicom-json.md"))
	require.NoError(t, err)
	sections := make(map[string]string)
	for _, part := range strings.Split(string(b), "\n## ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		sections[head] = body
	}
	for section, value := range map[string]any{
		"document": diagnosis.Report{}, "capture": diagnosis.Capture{}, "omitted": diagnosis.Omitted{}, "association": diagnosis.Association{}, "endpoint": diagnosis.Endpoint{},
		"place": diagnosis.Place{}, "reject": diagnosis.Reject{}, "abort": diagnosis.Abort{}, "application": diagnosis.Application{},
		"context": diagnosis.Context{}, "count": diagnosis.Count{}, "operation": diagnosis.Operation{}, "suboperations": diagnosis.Suboperations{},
		"percentiles": diagnosis.Percentiles{}, "flow": diagnosis.Flow{}, "time": diagnosis.Times{}, "connection": diagnosis.Connection{},
	} {
		assert.ElementsMatch(t, fieldsOf(reflect.TypeOf(value)), described(sections[section]), section)
	}
	finding, ids, found := strings.Cut(sections["finding"], "\nThe ids:\n")
	require.True(t, found)
	assert.ElementsMatch(t, fieldsOf(reflect.TypeFor[diagnosis.Finding]()), described(finding))

	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var known []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\bid(?:: | ?= ?|, severity := |, severity = )"([a-z-]+)"`).FindAllSubmatch(source, -1) {
			if id := string(m[1]); !slices.Contains(known, id) {
				known = append(known, id)
			}
		}
	}
	assert.ElementsMatch(t, known, described(ids))
}

// described are the names in the first column of tables.
func described(section string) (names []string) {
	for line := range strings.Lines(section) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(line, "| `") {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

func fieldsOf(typ reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
