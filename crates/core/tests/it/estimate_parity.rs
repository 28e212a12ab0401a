//! Estimates, digit by digit against the moment estimator of R's dsl and against ppi_py.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use postil_core::Measured;
use postil_core::estimate::{
    Estimates, Family, Formula, Frame, Lambda, Pair, Prediction, Sampling, Settings, Table, Values, prediction_powered,
    regress,
};
use serde_json::Value;

use crate::shared::data_with;

/// The text of a file, unpacked if it is packed.
pub(crate) fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

fn columns(path: &Path) -> BTreeMap<String, Vec<String>> {
    let text = text(path);
    let mut lines = text.lines();
    let header: Vec<String> = lines.next().unwrap().split(',').map(|name| name.trim_matches('"').to_owned()).collect();
    let mut columns: BTreeMap<String, Vec<String>> = header.iter().map(|name| (name.clone(), Vec::new())).collect();
    for line in lines {
        for (name, cell) in header.iter().zip(line.split(',')) {
            columns.get_mut(name).unwrap().push(cell.trim_matches('"').to_owned());
        }
    }
    columns
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn values(estimates: &Estimates, part: impl Fn(&postil_core::estimate::Term) -> &Measured) -> Vec<f64> {
    estimates.terms.iter().map(|term| part(term).value().unwrap_or_else(|| panic!("{term:?}"))).collect()
}

fn greatest(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f64::max)
}

fn dsl_case(name: &str) -> Option<(Table, Formula, Settings, Value)> {
    let folder = data_with("parity")?.join("parity/dsl");
    let columns = columns(&folder.join(format!("{name}.csv")));
    let expected: Value = serde_json::from_str(&text(&folder.join(format!("{name}.json")))).unwrap();
    let number = |name: &str| -> Vec<f64> {
        columns[name].iter().map(|cell| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() }).collect()
    };
    let gold = expected["predicted_var"].as_str().unwrap();
    let surrogate = expected["prediction"].as_str().unwrap();
    let labelled = number("R");
    let mut frame = Frame::default();
    for column in columns.keys().filter(|name| !["R", "pi", "fold", "g_hat", "row"].contains(&name.as_str())) {
        let mut values = number(column);
        if column == gold {
            values.iter_mut().zip(&labelled).filter(|(_, r)| **r == 0.0).for_each(|(value, _)| *value = f64::NAN);
        }
        frame.push(column.clone(), Values::Numbers(values)).unwrap();
    }
    let table = Table {
        frame,
        pairs: vec![Pair { gold: gold.to_owned(), surrogate: surrogate.to_owned() }],
        sampling: Sampling::Known(number("pi")),
        cluster: None,
    };
    let settings = Settings {
        family: if expected["model"] == "lm" { Family::Linear } else { Family::Logistic },
        prediction: Prediction::Given(number("g_hat")),
        ..Settings::default()
    };
    let formula = Formula::parse(expected["formula"].as_str().unwrap()).unwrap();
    Some((table, formula, settings, expected))
}

#[expect(clippy::print_stdout, reason = "the distances are worth reading")]
fn dsl_equals_the_fixture(name: &str, within: f64) {
    let Some((table, formula, settings, expected)) = dsl_case(name) else { return };
    let found = regress(&table, &formula, &settings).unwrap();
    let coefficients = values(&found, |term| &term.estimate);
    let errors: Vec<f64> = found.terms.iter().map(|term| term.error.unwrap()).collect();
    let converged = &expected["single_split_bfgs"];
    let to_converged = greatest(&coefficients, &numbers(&converged["coef"]));
    let error_distance = greatest(&errors, &numbers(&converged["se"]));
    let to_package = greatest(&coefficients, &numbers(&expected["single_split"]["coef"]));
    println!("{name}: coefficients {to_converged:.2e}, errors {error_distance:.2e}; package's solver {to_package:.2e}");
    assert!(to_converged <= within && to_package <= 2e-3 && error_distance <= 5e-4);
    let covariance: Vec<f64> = found.covariance.iter().flatten().map(|value| value.unwrap()).collect();
    let theirs: Vec<f64> = expected["single_split"]["vcov"].as_array().unwrap().iter().flat_map(numbers).collect();
    assert!(greatest(&covariance, &theirs) <= 5e-4);
    let naive = values(&found, |term| &term.naive);
    assert!(greatest(&naive, &numbers(&expected["naive_surrogate"]["coef"])) <= 1e-5, "{naive:?}");
    // The fixture's gold-only fit is unweighted, ours weighted by the design: they are the same for equal chances.
    if name != "data_unequal" {
        let gold_only = values(&found, |term| &term.gold_only);
        assert!(greatest(&gold_only, &numbers(&expected["labelled_only"]["coef"])) <= 1e-5, "{gold_only:?}");
    }
    // The fixture's power is for ten splits; it starts near ours and falls in the same proportion.
    let theirs: Vec<Vec<f64>> = expected["power"]["predicted_se"].as_array().unwrap().iter().map(numbers).collect();
    let double = found.power.iter().find(|power| power.times == 2.0).unwrap();
    for (place, error) in errors.iter().enumerate() {
        let ours = double.errors[place].unwrap() / error;
        let reference = theirs[theirs.len() - 1][place] / theirs[0][place];
        assert!((ours - reference).abs() < 0.02, "{name} {place}: {ours} against {reference}");
    }
}

#[test]
fn linear_regression_equals_the_fixture() {
    dsl_equals_the_fixture("data_lm", 1e-4);
}

#[test]
fn logistic_regression_with_unequal_chances_equals_the_fixture() {
    dsl_equals_the_fixture("data_unequal", 1e-4);
}

#[test]
fn logistic_regression_with_a_predicted_covariate_equals_the_fixture() {
    dsl_equals_the_fixture("panchen_logit", 1e-4);
}

#[test]
fn our_own_prediction_gives_the_published_answers() {
    for (name, coefficient, near) in [("panchen_logit", 1, -0.25), ("data_unequal", 0, -0.22)] {
        let Some((table, formula, mut settings, expected)) = dsl_case(name) else { return };
        settings.prediction = Prediction::CrossFitted;
        let found = regress(&table, &formula, &settings).unwrap();
        let term = &found.terms[coefficient];
        assert!((term.estimate.value().unwrap() - near).abs() < 0.06, "{name}: {term:?}");
        let error = numbers(&expected["dsl_full_10_splits"]["se"])[coefficient];
        assert!((term.error.unwrap() / error - 1.0).abs() < 0.05, "{name}: {:?} against {error}", term.error);
        assert!(found.sentence.contains("mislead"), "{}", found.sentence);
    }
}

fn ppi_case(name: &str) -> Option<(Table, Value)> {
    let folder = data_with("parity")?.join("parity/ppi");
    let columns = columns(&folder.join(format!("{name}.csv.gz")));
    let expected: Value = serde_json::from_str(&text(&folder.join("expected.json"))).unwrap();
    let mut frame = Frame::default();
    for column in ["Y", "Yhat", "x1"] {
        frame.push(column, Values::parse(columns[column].iter().map(String::as_str))).unwrap();
    }
    let pairs = vec![Pair { gold: "Y".into(), surrogate: "Yhat".into() }];
    Some((Table { frame, pairs, sampling: Sampling::Random, cluster: None }, expected[name].clone()))
}

fn interval(estimates: &Estimates) -> (Vec<f64>, Vec<f64>) {
    let ends = |term: &postil_core::estimate::Term| match &term.estimate {
        Measured::Known { low, high, .. } => (*low, *high),
        Measured::Unknown { reason } => panic!("{reason}"),
    };
    estimates.terms.iter().map(ends).unzip()
}

/// The largest moment of the logistic equations with a weight of 1 at some coefficients.
fn unsolved(table: &Table, theta: &[f64]) -> f64 {
    let column = |name: &str| match table.frame.column(name).unwrap() {
        Values::Numbers(numbers) => numbers.clone(),
        Values::Classes { .. } => panic!("{name} holds numbers"),
    };
    let (gold, said, x) = (column("Y"), column("Yhat"), column("x1"));
    let labelled = gold.iter().filter(|gold| !gold.is_nan()).count() as f64;
    let others = gold.len() as f64 - labelled;
    let mut moments = [0.0; 2];
    for ((gold, said), x) in gold.iter().zip(&said).zip(&x) {
        let mean = 1.0 / (1.0 + (-theta[0] - theta[1] * x).exp());
        let part = if gold.is_nan() { (said - mean) / others } else { (gold - said) / labelled };
        moments[0] += part;
        moments[1] += part * x;
    }
    moments[0].abs().max(moments[1].abs())
}

#[expect(clippy::print_stdout, reason = "the distances are worth reading")]
fn ppi_equals_the_fixture(name: &str) {
    let Some((table, expected)) = ppi_case(name) else { return };
    let settings = |level: f64, family: Family| Settings { level, family, ..Settings::default() };
    let mean = Formula::mean("Y");
    for (key, lambda) in [
        ("ppi_mean_lam_1.0", Lambda::Fixed(1.0)),
        ("ppi_mean_lam_0.5", Lambda::Fixed(0.5)),
        ("ppi_mean_lam_auto", Lambda::default()),
    ] {
        for (level, ends) in [(0.9, "ci90"), (0.95, "ci95")] {
            let found = prediction_powered(&table, &mean, &settings(level, Family::Linear), lambda, None).unwrap();
            let (low, high) = interval(&found);
            let theirs = numbers(&expected[key][ends]);
            let distance = greatest(&[low[0], high[0]], &theirs);
            assert!(distance <= 1e-6, "{name} {key} {ends}: {distance}");
            let point = found.terms[0].estimate.value().unwrap();
            assert!((point - expected[key]["point"].as_f64().unwrap()).abs() <= 1e-6);
        }
    }
    let formula = Formula::parse("Y ~ x1").unwrap();
    for (key, family, lambda, within) in [
        ("ols_lam_1.0", Family::Linear, Lambda::Fixed(1.0), 1e-6),
        ("ols_lam_auto", Family::Linear, Lambda::Tuned { rounds: 1 }, 1e-6),
        ("logistic_lam_1.0", Family::Logistic, Lambda::Fixed(1.0), 1e-4),
        ("logistic_lam_auto", Family::Logistic, Lambda::Tuned { rounds: 1 }, 1e-4),
    ] {
        let found = prediction_powered(&table, &formula, &settings(0.9, family.clone()), lambda, None).unwrap();
        let theirs = numbers(&expected[key]["point"]);
        let ours = values(&found, |term| &term.estimate);
        // These coefficients lie at -27 and 62 with standard errors of 316 and 733, where the reference's solver stops
        // three ten-thousandths early: ours must be relatively as close, and solve the equations better.
        let loose = name == "jn_product" && key == "logistic_lam_1.0";
        let within = if loose { 100.0 * within } else { within };
        if loose {
            let (near, far) = (unsolved(&table, &ours), unsolved(&table, &theirs));
            println!("{name} {key}: equations off by {near:.1e}, the reference's by {far:.1e}");
            assert!(near < 1e-3 * far);
            assert!(ours.iter().zip(&theirs).all(|(ours, theirs)| (ours / theirs - 1.0).abs() < 1e-4));
        }
        let distance = greatest(&ours, &theirs);
        println!("{name} {key}: {distance:.2e}, weight {:?}", found.lambda);
        assert!(distance <= within, "{name} {key}: {distance}");
        // The reference tunes its interval's weight once more than its point's.
        let lambda = if matches!(lambda, Lambda::Tuned { .. }) { Lambda::Tuned { rounds: 2 } } else { lambda };
        let found = prediction_powered(&table, &formula, &settings(0.9, family), lambda, None).unwrap();
        let (low, high) = interval(&found);
        let theirs = &expected[key]["ci90"];
        let distance = greatest(&low, &numbers(&theirs[0])).max(greatest(&high, &numbers(&theirs[1])));
        println!("{name} {key}: interval {distance:.2e}");
        let within = if loose { 1e-4 * numbers(&theirs[1])[1] } else { within };
        assert!(distance <= within, "{name} {key} interval: {distance}");
    }
}

#[test]
fn prediction_powered_inference_equals_the_fixture_of_md_agreement() {
    ppi_equals_the_fixture("md_agreement");
}

#[test]
fn prediction_powered_inference_equals_the_fixture_of_jn_product() {
    ppi_equals_the_fixture("jn_product");
}
