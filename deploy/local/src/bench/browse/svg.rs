//! Curves over time as SVG: panels below each other, each with its own axis and unit, all over the same minutes. Readable
//! on light and on dark ground, and without colours: every curve of a panel has its own dashes, and a name beside them.

use std::fmt::Write;

const WIDTH: f64 = 880.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 118.0;
const GAP: f64 = 56.0;
/// Where the first panel's axes begin.
const TOP: f64 = 84.0;
const BOTTOM: f64 = 46.0;
/// More points than that are drawn by their groups.
const POINTS_MAX: usize = 220;
/// Grey that stands out from white and from black alike (4.5 : 1).
const INK: &str = "#757575";
/// Colours that do so too, and are told apart by people who see few colours; and dashes for everybody.
const STROKES: [(&str, &str); 4] =
    [("#0072b2", "none"), ("#d55e00", "7 3"), ("#009e73", "2 3"), ("#a05a9c", "10 3 2 3")];

/// How several points become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Their average.
    Mean,
    /// The highest, so that no peak is hidden.
    Highest,
}

/// A curve.
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Its values at the times of the plot; what is missing is a gap.
    pub values: Vec<Option<f64>>,
}

/// One set of axes.
pub struct Panel {
    /// What is shown, with its unit.
    pub title: String,
    /// How points are put together when there are too many.
    pub grouping: Grouping,
    /// A line that the curves should stay below, and its name.
    pub limit: Option<(f64, String)>,
    /// Up to four.
    pub curves: Vec<Curve>,
}

/// A picture.
pub struct Plot {
    /// Its first line.
    pub title: String,
    /// Its second line.
    pub subtitle: String,
    /// Seconds of the points.
    pub times_s: Vec<f64>,
    /// When the measured time began, in seconds.
    pub measured_from_s: f64,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

impl Plot {
    /// The picture.
    pub fn svg(&self) -> String {
        #[allow(clippy::cast_precision_loss)] // A handful of panels.
        let height = TOP + self.panels.len() as f64 * (PANEL + GAP) - GAP + BOTTOM;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n<title>{}</title>\n",
            escape(&self.title)
        );
        text(&mut svg, LEFT, 20.0, "font-size=\"15\" font-weight=\"bold\"", &self.title);
        text(&mut svg, LEFT, 38.0, "", &self.subtitle);
        let last = self.times_s.last().copied().unwrap_or_default();
        let minutes = Axis::new(last / 60.0, 8);
        let mut top = TOP;
        for (number, panel) in self.panels.iter().enumerate() {
            let lowest = number + 1 == self.panels.len();
            self.panel(&mut svg, panel, top, &minutes, lowest);
            top += PANEL + GAP;
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn panel(&self, svg: &mut String, panel: &Panel, top: f64, minutes: &Axis, lowest: bool) {
        let times = group_times(&self.times_s);
        let curves: Vec<Vec<Option<f64>>> =
            panel.curves.iter().map(|curve| group(&curve.values, panel.grouping)).collect();
        let highest = curves.iter().flatten().flatten().copied().fold(0.0, f64::max);
        // A limit far above the curves would flatten them; it is told in the legend then.
        let limit = panel.limit.as_ref().filter(|(at, _)| *at <= highest * 4.0);
        let axis = Axis::new(limit.map_or(highest, |(at, _)| at.max(highest)), 4);
        let x = |minute: f64| LEFT + minute / minutes.end.max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| top + PANEL - value / axis.end * PANEL;

        text(svg, LEFT, top - 22.0, "font-weight=\"bold\"", &panel.title);
        for tick in axis.ticks() {
            line(svg, (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)), "stroke-opacity=\"0.3\"");
            text(svg, LEFT - 6.0, y(tick) + 4.0, "text-anchor=\"end\"", &axis.label(tick));
        }
        for tick in minutes.ticks() {
            line(svg, (x(tick), top + PANEL), (x(tick), top + PANEL + 4.0), "");
            if lowest {
                text(svg, x(tick), top + PANEL + 18.0, "text-anchor=\"middle\"", &minutes.label(tick));
            }
        }
        if lowest {
            let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
            text(svg, middle, top + PANEL + 36.0, "text-anchor=\"middle\"", "minutes since the start");
        }
        let from = x(self.measured_from_s / 60.0);
        if self.measured_from_s > 0.0 && from < WIDTH - RIGHT {
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{PANEL:.0}\" fill=\"{INK}\" fill-opacity=\"0.15\"/>",
                from - LEFT
            );
        }
        if let Some((at, _)) = limit {
            line(svg, (LEFT, y(*at)), (WIDTH - RIGHT, y(*at)), "stroke-dasharray=\"1 4\" stroke-width=\"2\"");
        }
        for (values, (colour, dashes)) in curves.iter().zip(STROKES) {
            for piece in pieces(&times, values) {
                let points: Vec<String> =
                    piece.iter().map(|(at, value)| format!("{:.1},{:.1}", x(at / 60.0), y(*value))).collect();
                let _ = writeln!(
                    svg,
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-dasharray=\"{dashes}\" points=\"{}\"/>",
                    points.join(" ")
                );
            }
        }
        legend(svg, panel, top - 6.0);
    }
}

fn legend(svg: &mut String, panel: &Panel, y: f64) {
    let mut x = LEFT;
    for (curve, (colour, dashes)) in panel.curves.iter().zip(STROKES) {
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-dasharray=\"{dashes}\"/>",
            y - 4.0,
            x + 34.0
        );
        text(svg, x + 40.0, y, "", &curve.name);
        x += 62.0 + width_of(&curve.name);
    }
    if let Some((_, name)) = &panel.limit {
        text(svg, x, y, "font-style=\"italic\"", name);
    }
}

/// About as wide as the text is drawn.
#[allow(clippy::cast_precision_loss)] // A few letters.
fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.6
}

fn text(svg: &mut String, x: f64, y: f64, how: &str, what: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {how}>{}</text>", escape(what));
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), how: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\" {how}/>",
        from.0, from.1, to.0, to.1
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An axis from 0 to a round number.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    /// An axis that has `highest` on it, and about so many ticks; to 1 where nothing rises above 0.
    fn new(highest: f64, ticks: u32) -> Self {
        let highest = if highest > 1e-6 { highest } else { 1.0 };
        let rough = highest / f64::from(ticks);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        Self { end: (highest / step).ceil() * step, step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A handful.
        let count = (self.end / self.step).round() as u32;
        (0..=count).map(|number| f64::from(number) * self.step)
    }

    fn label(&self, tick: f64) -> String {
        let whole = |times: f64| (self.step * times).fract().abs() < 1e-9;
        let decimals = if whole(1.0) { 0 } else { 2 - usize::from(whole(10.0)) };
        format!("{tick:.decimals$}")
    }
}

fn size_of_group(points: usize) -> usize {
    points.div_ceil(POINTS_MAX).max(1)
}

fn group(values: &[Option<f64>], grouping: Grouping) -> Vec<Option<f64>> {
    let groups = values.chunks(size_of_group(values.len()));
    let one = |group: &[Option<f64>]| {
        let known: Vec<f64> = group.iter().flatten().copied().collect();
        #[allow(clippy::cast_precision_loss)] // A handful.
        let count = known.len() as f64;
        (!known.is_empty()).then(|| match grouping {
            Grouping::Mean => known.iter().sum::<f64>() / count,
            Grouping::Highest => known.iter().copied().fold(f64::MIN, f64::max),
        })
    };
    groups.map(one).collect()
}

fn group_times(times: &[f64]) -> Vec<f64> {
    times.chunks(size_of_group(times.len())).filter_map(|group| group.last().copied()).collect()
}

/// The parts of a curve between its gaps.
fn pieces(times: &[f64], values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = vec![Vec::new()];
    for (&at, value) in times.iter().zip(values) {
        match (value, pieces.last_mut()) {
            (Some(value), Some(piece)) => piece.push((at, *value)),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: u32) -> Plot {
        let curve = |name: &str, factor: f64| Curve {
            name: name.to_owned(),
            values: (0..points).map(|n| Some(f64::from(n) * factor)).collect(),
        };
        let curves = vec![curve("listing", 1.0), curve("bidding", 2.0), curve("settlement", 3.0)];
        let panel = Panel { title: "memory (MiB)".to_owned(), grouping: Grouping::Highest, limit: None, curves };
        Plot {
            title: "1,000 users & their lots".to_owned(),
            subtitle: "10 minutes".to_owned(),
            times_s: (0..points).map(|n| f64::from(n) * 5.0).collect(),
            measured_from_s: 30.0,
            panels: vec![panel],
        }
    }

    /// Values of an attribute.
    fn all<'a>(svg: &'a str, attribute: &str) -> Vec<&'a str> {
        svg.split(&format!("{attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn curves_differ_by_more_than_their_colour_and_the_axes_have_units() {
        let svg = plot(20).svg();
        let curves: Vec<&str> = svg.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(curves.len(), 3);
        let mut dashes: Vec<&str> = curves.iter().flat_map(|curve| all(curve, "stroke-dasharray")).collect();
        dashes.sort_unstable();
        dashes.dedup();
        assert_eq!(dashes.len(), 3, "{dashes:?}");
        for told in ["memory (MiB)", "minutes since the start", ">bidding<", "&amp; their"] {
            assert!(svg.contains(told), "{told}: {svg}");
        }
    }

    #[test]
    fn nothing_is_drawn_outside_the_picture_whatever_the_run_brought() {
        for points in [0, 1, 2, 5_000] {
            let svg = plot(points).svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points}");
            let bottom: f64 = all(&svg, "viewBox")[0].rsplit(' ').next().unwrap().parse().unwrap();
            assert!(all(&svg, " y").iter().all(|y| y.parse::<f64>().unwrap() < bottom), "{bottom}");
            for (x, y) in
                all(&svg, " points").iter().flat_map(|points| points.split(' ')).filter_map(|p| p.split_once(','))
            {
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=TOP + PANEL).contains(&y), "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_long_run_is_drawn_by_groups_and_keeps_its_peaks() {
        let mut values: Vec<Option<f64>> = vec![Some(1.0); 5_000];
        values[1_234] = Some(99.0);
        let grouped = group(&values, Grouping::Highest);
        assert!(grouped.len() <= POINTS_MAX && grouped.contains(&Some(99.0)));
        assert!(!group(&values, Grouping::Mean).contains(&Some(99.0)));
        assert_eq!(group_times(&vec![5.0; 5_000]).len(), grouped.len());
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let found = pieces(&[0.0, 1.0, 2.0, 3.0], &[Some(1.0), None, Some(2.0), Some(3.0)]);
        assert_eq!(found, [vec![(0.0, 1.0)], vec![(2.0, 2.0), (3.0, 3.0)]]);
    }

    #[test]
    fn an_axis_ends_at_a_round_number_above_all_values() {
        for (highest, end) in [(141.0, 150.0), (0.0, 1.0), (7.0, 8.0), (1_000.0, 1_000.0), (0.7, 0.8)] {
            let axis = Axis::new(highest, 4);
            assert!((axis.end - end).abs() < 1e-6 && axis.ticks().count() <= 7, "{highest}: {}", axis.end);
        }
        assert_eq!(Axis::new(0.7, 4).label(0.6), "0.6");
    }
}
