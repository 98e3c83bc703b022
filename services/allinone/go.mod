module github.com/fertig-project/fertig/services/allinone

go 1.26.0

require github.com/fertig-project/fertig/shared v0.0.0

replace github.com/fertig-project/fertig/shared => ../../shared

require github.com/fertig-project/fertig/services/dispatcher v0.0.0

replace github.com/fertig-project/fertig/services/dispatcher => ../dispatcher

require github.com/fertig-project/fertig/services/scheduler v0.0.0

replace github.com/fertig-project/fertig/services/scheduler => ../scheduler

require github.com/fertig-project/fertig/services/carrierimport v0.0.0

replace github.com/fertig-project/fertig/services/carrierimport => ../carrierimport

require github.com/fertig-project/fertig/services/console v0.0.0

replace github.com/fertig-project/fertig/services/console => ../console

require github.com/fertig-project/fertig/services/amazonsim v0.0.0

replace github.com/fertig-project/fertig/services/amazonsim => ../amazonsim
