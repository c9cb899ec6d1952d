package config

import "github.com/syncer-io/syncer/filter/strictyaml"

// Setting is a field that flags and environment variables can set.
type Setting int

// The settings. One that a kind of file does not have is ignored for it.
const (
	HubURL          Setting = iota // hub.url
	HubCredentials                 // hub.credentials
	DataDir                        // dataDir
	SourceEndpoints                // source.etcd.endpoints of an Exporter, separated by commas
	TargetEndpoints                // target.etcd.endpoints of an Importer, separated by commas
	MetricsListen                  // metrics.listen
)

// Overlay holds values that win over those of the file.
type Overlay struct {
	values []override
}

type override struct {
	setting       Setting
	value, origin string
}

// Set sets a value. The origin, like "--hub-url", is where messages say that
// the value comes from.
func (o *Overlay) Set(s Setting, value, origin string) {
	o.values = append(o.values, override{setting: s, value: value, origin: origin})
}

// FromEnvironment reads the variables SYNCER_HUB_URL, SYNCER_HUB_CREDENTIALS,
// SYNCER_DATA_DIR, SYNCER_SOURCE_ENDPOINTS, SYNCER_TARGET_ENDPOINTS and
// SYNCER_METRICS_LISTEN; empty ones count as not set. Pass os.LookupEnv.
func FromEnvironment(lookup func(string) (string, bool)) Overlay {
	var o Overlay
	for _, v := range variables() {
		if value, ok := lookup(v.name); ok && value != "" {
			o.Set(v.setting, value, v.name)
		}
	}
	return o
}

type variable struct {
	name    string
	setting Setting
}

func variables() []variable {
	return []variable{
		{"SYNCER_HUB_URL", HubURL},
		{"SYNCER_HUB_CREDENTIALS", HubCredentials},
		{"SYNCER_DATA_DIR", DataDir},
		{"SYNCER_SOURCE_ENDPOINTS", SourceEndpoints},
		{"SYNCER_TARGET_ENDPOINTS", TargetEndpoints},
		{"SYNCER_METRICS_LISTEN", MetricsListen},
	}
}

// slot is where a setting goes in one file: one of text and list is set.
type slot struct {
	path []any
	text *string
	list *[]string
}

func (e *Exporter) slots() map[Setting]slot {
	return map[Setting]slot{
		HubURL:          {path: []any{"hub", "url"}, text: &e.Hub.URL},
		HubCredentials:  {path: []any{"hub", "credentials"}, text: &e.Hub.Credentials},
		DataDir:         {path: []any{"dataDir"}, text: &e.DataDir},
		SourceEndpoints: {path: []any{"source", "etcd", "endpoints"}, list: &e.Source.Etcd.Endpoints},
		MetricsListen:   {path: []any{"metrics", "listen"}, text: &e.Metrics.Listen},
	}
}

func (i *Importer) slots() map[Setting]slot {
	return map[Setting]slot{
		HubURL:          {path: []any{"hub", "url"}, text: &i.Hub.URL},
		HubCredentials:  {path: []any{"hub", "credentials"}, text: &i.Hub.Credentials},
		DataDir:         {path: []any{"dataDir"}, text: &i.DataDir},
		TargetEndpoints: {path: []any{"target", "etcd", "endpoints"}, list: &i.Target.Etcd.Endpoints},
		MetricsListen:   {path: []any{"metrics", "listen"}, text: &i.Metrics.Listen},
	}
}

// apply sets the values of the overlays, the later ones winning.
func apply(doc *strictyaml.Document, slots map[Setting]slot, overlays []Overlay) {
	for _, o := range overlays {
		for _, v := range o.values {
			s, ok := slots[v.setting]
			if !ok {
				continue
			}
			doc.SetOrigin(v.origin, s.path...)
			if s.list != nil {
				*s.list = split(v.value)
			} else {
				*s.text = v.value
			}
		}
	}
}
