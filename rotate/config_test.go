package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseAmount(t *testing.T) {
	tests := []struct {
		text string
		unit int64
		want Amount
	}{
		{"100M", 1, Amount{Bytes: 100_000_000}},
		{"100MB", 1, Amount{Bytes: 100_000_000}},
		{"1.5GB", 1, Amount{Bytes: 1_500_000_000}},
		{"2GiB", 1, Amount{Bytes: 2_147_483_648}},
		{"512KiB", 1, Amount{Bytes: 524_288}},
		{"512 MiB", 1, Amount{Bytes: 536_870_912}},
		{"1T", 1, Amount{Bytes: 1_000_000_000_000}},
		{"100", 1_000_000, Amount{Bytes: 100_000_000}}, // -C 100, as in tcpdump
		{"0.5", 1_000_000, Amount{Bytes: 500_000}},
		{"100", 1, Amount{Bytes: 100}},
		{"1B", 1_000_000, Amount{Bytes: 1}},
		{"10%", 1, Amount{Percent: 10}},
		{"0.5%", 1_000_000, Amount{Percent: 0.5}},
		{"100%", 1, Amount{Percent: 100}},
	}
	for _, tt := range tests {
		got, err := ParseAmount(tt.text, tt.unit)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got, tt.text)
		assert.False(t, got.IsZero(), tt.text)
	}
	for _, text := range []string{
		"", " ", "x", "M", "%", "10%%", "-1", "-5M", "-10%", "0", "0M", "0%", "101%", "1e3%x",
		"nan", "NaN%", "inf", "-inf", "Inf%", "1e400", "1e30", "99999999999999999999", "16EiB", "8EB", "5000PiB",
		"1,5GB", "1,000", "10 potatoes", "1.2.3M", "M100", "0.1", // a tenth of a byte would be no size, and none a default
	} {
		got, err := ParseAmount(text, 1)
		assert.Error(t, err, "%q", text)
		assert.True(t, got.IsZero(), "%q", text)
	}
}

func TestAmountOf(t *testing.T) {
	assert.Equal(t, int64(7), Amount{Bytes: 7}.Of(1000))
	assert.Equal(t, int64(100), Amount{Percent: 10}.Of(1000))
	assert.Equal(t, int64(5), Amount{Percent: 0.5}.Of(1000))
	assert.Equal(t, int64(8_000_000_000_000_000), Amount{Percent: 100}.Of(8_000_000_000_000_000))
	assert.Equal(t, int64(0), Amount{}.Of(1000))
}

func TestBounds(t *testing.T) {
	const (
		k  = 1000
		m  = 1000 * k
		g  = 1000 * m
		t1 = 1000 * g
	)
	bytes := func(n int64) Amount { return Amount{Bytes: n} }
	tests := []struct {
		name                      string
		total                     int64
		segment, budget, keepFree Amount
		want                      bounds
	}{
		{"large disk: 10 GB", 2 * t1, Amount{}, Amount{}, Amount{}, bounds{segment: 100 * m, budget: 10 * g, keepFree: 100 * g, atLeast: 1 * g}},
		{"100 GB: both are the same", 100 * g, Amount{}, Amount{}, Amount{}, bounds{segment: 100 * m, budget: 10 * g, keepFree: 5 * g, atLeast: 1 * g}},
		{"50 GB: 10 %", 50 * g, Amount{}, Amount{}, Amount{}, bounds{segment: 50 * m, budget: 5 * g, keepFree: 2500 * m, atLeast: 1 * g}},
		{"10 GB: segments of at least 16 MB", 10 * g, Amount{}, Amount{}, Amount{}, bounds{segment: 16 * m, budget: 1 * g, keepFree: 500 * m, atLeast: 250 * m}},
		{"200 MB: two segments must fit", 200 * m, Amount{}, Amount{}, Amount{}, bounds{segment: 10 * m, budget: 20 * m, keepFree: 10 * m, atLeast: 5 * m}},
		{"large budget: segments of at most 1 GB", 10 * t1, Amount{}, bytes(1 * t1), Amount{}, bounds{segment: 1 * g, budget: 1 * t1, keepFree: 500 * g, atLeast: 1 * g}},
		{"in between", 10 * t1, Amount{}, bytes(20 * g), Amount{}, bounds{segment: 200 * m, budget: 20 * g, keepFree: 500 * g, atLeast: 1 * g}},
		{"percentages", 1 * t1, Amount{Percent: 1}, Amount{Percent: 50}, Amount{Percent: 20}, bounds{segment: 10 * g, budget: 500 * g, keepFree: 200 * g, atLeast: 1 * g}},
		{"two segments exactly", 1 * t1, bytes(5 * g), bytes(10 * g), bytes(1), bounds{segment: 5 * g, budget: 10 * g, keepFree: 1, atLeast: 1 * g}},
		{"smallest", 1 * t1, bytes(MinSegmentSize), bytes(2 * MinSegmentSize), bytes(1), bounds{segment: 524288, budget: 1048576, keepFree: 1}},
		{"small budget", 1 * t1, Amount{}, bytes(20 * m), bytes(1), bounds{segment: 10 * m, budget: 20 * m, keepFree: 1, atLeast: 5 * m}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Config{Name: "x", SegmentSize: tt.segment, Budget: tt.budget, KeepFree: tt.keepFree}
			got, err := c.bounds(tt.total)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
	for _, tt := range []struct {
		name            string
		total           int64
		segment, budget Amount
	}{
		{"segment too small", t1, bytes(MinSegmentSize - 1), bytes(10 * g)},
		{"budget of less than two", t1, bytes(5 * g), bytes(10*g - 1)},
		{"default budget of less than two", 10 * g, bytes(501 * m), Amount{}},
		{"disk too small for two", 10 * m, Amount{}, Amount{}}, // 10 % are 1 MB, and two segments 1,048,576
		{"budget too small for two", t1, Amount{}, bytes(1 * m)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := (&Config{Name: "x", SegmentSize: tt.segment, Budget: tt.budget}).bounds(tt.total)
			assert.Error(t, err)
		})
	}
	for _, tt := range []struct {
		keep    AtLeast
		segment Amount
		want    bounds // but for the rest
	}{
		{AtLeast{None: true}, Amount{}, bounds{}},
		{AtLeast{Time: time.Hour}, Amount{}, bounds{atLeastTime: time.Hour}},
		{AtLeast{Size: bytes(8 * g)}, Amount{}, bounds{atLeast: 8 * g}},
		{AtLeast{Size: bytes(8 * g)}, bytes(1 * g), bounds{atLeast: 8 * g}},
		{AtLeast{Size: Amount{Percent: 5}}, Amount{}, bounds{atLeast: 5 * g}},
	} {
		got, err := (&Config{Name: "x", Budget: bytes(10 * g), SegmentSize: tt.segment, KeepAtLeast: tt.keep}).bounds(100 * g)
		require.NoError(t, err)
		assert.Equal(t, tt.want, bounds{atLeast: got.atLeast, atLeastTime: got.atLeastTime}, tt.keep)
	}
	for _, tt := range []struct{ segment, keep int64 }{{1 * g, 8*g + 1}, {2 * g, 7 * g}, {1 * g, 10 * g}} {
		_, err := (&Config{Name: "x", Budget: bytes(10 * g), SegmentSize: bytes(tt.segment), KeepAtLeast: AtLeast{Size: bytes(tt.keep)}}).bounds(100 * g)
		assert.ErrorIs(t, err, ErrAtLeast)
	}
	t.Run("a budget that the disk can't hold", func(t *testing.T) {
		got, err := (&Config{Name: "x", Budget: bytes(10 * g)}).bounds(2 * g)
		require.NoError(t, err)
		assert.EqualValues(t, 475*m, got.atLeast, "a quarter of 95 %")
	})
	t.Run("one file has a floor alone", func(t *testing.T) {
		got, err := (&Config{File: "x"}).bounds(100 * g)
		require.NoError(t, err)
		assert.Equal(t, bounds{keepFree: 5 * g}, got)
	})
}

func TestDefaultsRefuse(t *testing.T) {
	good := Config{
		Name: "x", Ext: ".pcapng",
		Header:  func(b []byte, _ bool) []byte { return b },
		Trailer: func(b []byte) []byte { return b }, CutTrailer: func(b []byte) []byte { return b },
		Records: func([]byte) (int, int) { return 0, 0 },
	}
	c, err := good.withDefaults()
	require.NoError(t, err)
	assert.Equal(t, time.Hour, c.SegmentDuration)
	assert.Equal(t, time.Second, c.Flush)
	assert.Equal(t, 5*time.Second, c.Sync)

	for name, change := range map[string]func(*Config){
		"no header":                   func(c *Config) { c.Header = nil },
		"no trailer":                  func(c *Config) { c.Trailer = nil },
		"no cut trailer":              func(c *Config) { c.CutTrailer = nil },
		"no records":                  func(c *Config) { c.Records = nil },
		"short segments":              func(c *Config) { c.SegmentDuration = time.Millisecond },
		"negative count":              func(c *Config) { c.SegmentCount = -1 },
		"count of one":                func(c *Config) { c.SegmentCount = 1 },
		"negative age":                func(c *Config) { c.MaxAge = -1 },
		"kept and too old":            func(c *Config) { c.MaxAge, c.KeepAtLeast.Time = time.Hour, 2*time.Hour },
		"sync too often":              func(c *Config) { c.Sync = time.Millisecond },
		"bad name":                    func(c *Config) { c.Name = "a/b" },
		"no extension":                func(c *Config) { c.Ext = "" },
		"extension without a dot":     func(c *Config) { c.Ext = "pcapng" },
		"extension that is a path":    func(c *Config) { c.Ext = "./x" },
		"extension like another name": func(c *Config) { c.Ext = ".x-20261123T130405Z-000001.pcapng" },
		"neither file nor set":        func(c *Config) { c.Name = "" },
		"file and set":                func(c *Config) { c.File = "x" },
		"file that is a path":         func(c *Config) { c.Name, c.File = "", "../x" },
	} {
		c := good
		change(&c)
		_, err := c.withDefaults()
		assert.Error(t, err, name)
	}
	c = good
	c.Flush, c.Sync = 10*time.Second, 4*time.Second
	c, err = c.withDefaults()
	require.NoError(t, err)
	assert.LessOrEqual(t, c.Flush, c.Sync, "what isn't flushed can't be synced")
}
