//! What the labels of the sample can be trusted with.

use postil::report::{
    AgreementSummary, ConfusedRow, DepthRow, ErrorSummary, Figure, PairRow, Part, PromiseSummary, RiskRow, ShareRow,
    ShareSummary, SuspectRow, Trust,
};
use postil_core::Measured;

fn figure(name: &str, value: f64, half: f64, basis: &str) -> Figure {
    let value = Measured::known(value, (value - half, (value + half).min(1.0)), basis);
    Figure { name: name.into(), value }
}

/// Every part known.
pub(crate) fn known(labels: &[String], basis: &str) -> Trust {
    let resampled = "1000 bootstrap replicates of 512 items";
    let shares = [0.26, 0.28, 0.19, 0.13, 0.11, 0.03];
    let row = |(label, share): (&String, f64)| ShareRow {
        label: label.clone(),
        estimate: figure("", share, 0.05, basis).value,
        naive: figure("", share + 0.03, 0.02, basis).value,
        gold_only: figure("", share - 0.01, 0.09, basis).value,
    };
    let curve = (1..=20).map(|step| {
        let share = f64::from(step) / 20.0;
        RiskRow {
            threshold: 1.0 - share * share * 0.6,
            share,
            risk: (step > 1).then_some(0.16 * share.powi(3)),
            upper: 0.03 / share + 0.2 * share.powi(3),
            promised: (12..15).contains(&step),
        }
    });
    Trust {
        agreement: Part::Known(AgreementSummary {
            compared: 512,
            figures: vec![
                figure("observed agreement", 0.71, 0.03, resampled),
                figure("Krippendorff's alpha", 0.58, 0.04, resampled),
                figure("Gwet's AC1", 0.66, 0.03, resampled),
            ],
            labels: labels.iter().map(|label| figure(label, 0.55, 0.07, resampled)).collect(),
            pairs: vec![PairRow {
                first: "keywords".into(),
                second: "question-shape".into(),
                shared: 204,
                observed: figure("", 0.44, 0.07, "204 items").value,
                kappa: figure("", 0.21, 0.09, "204 items").value,
            }],
            cautions: vec!["`security` is rare: its figure rests on few items".into()],
            meaning: "Alpha is 0.58: too little to rely on single answers; several per item and a consensus are needed.".into(),
        }),
        promise: Part::Known(PromiseSummary {
            risk: 0.05,
            confidence: 0.95,
            threshold: Some(0.78),
            accepted: 448,
            share: figure("", 0.7, 0.04, "640 items").value,
            error: figure("", 0.02, 0.02, basis).value,
            sentence: "accept labels with a confidence of at least 0.78: 448 of 640 items (70 %); at most 5 % of them are wrong, \
                       with 95 % confidence"
                .into(),
            basis: "an exact test at each threshold, from strict to lax, on 90 gold items".into(),
            curve: curve.collect(),
        }),
        shares: Part::Known(ShareSummary {
            sentence: "the written labels overstate `billing` by 0.03".into(),
            rows: labels.iter().zip(shares).map(row).collect(),
            power: vec![(90, 0.05), (180, 0.036), (360, 0.026), (720, 0.019)],
        }),
        errors: Part::Known(ErrorSummary {
            wrong: Measured::known(102.0, (62.0, 166.0), basis),
            disputed: Measured::known(71.0, (52.0, 96.0), "the confident joint of 640 labels"),
            confused: vec![ConfusedRow { given: labels[0].clone(), meant: labels[1].clone(), count: 14, share: 0.08 }],
            depths: [(10, 0.8), (20, 0.72), (50, 0.61)]
                .map(|(depth, value)| DepthRow { depth, precision: figure("", value, 0.12, "the model's own doubt").value })
                .to_vec(),
            suspects: (0..5)
                .map(|place| SuspectRow {
                    id: format!("T{place:04}"),
                    given: labels[place % 2].clone(),
                    suggested: labels[2].clone(),
                    probability: 0.9 - 0.1 * place as f64,
                })
                .collect(),
        }),
    }
}

/// No part known.
pub(crate) fn unknown(reason: &str) -> Trust {
    Trust {
        agreement: Part::Unknown("only one annotator answered".into()),
        promise: Part::Unknown(reason.into()),
        shares: Part::Unknown(reason.into()),
        errors: Part::Unknown("no model was trained".into()),
    }
}
