module driver

go 1.25.4

require (
	github.com/cloudflare/circl v1.6.5
	github.com/openpcc/bhttp v0.0.37
	github.com/openpcc/ohttp v0.0.37
	github.com/openpcc/twoway v0.0.37
)
