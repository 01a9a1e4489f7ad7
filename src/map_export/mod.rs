//! Maps as files: pictures for print, and a page that needs no server.

mod colours;
mod fonts;
mod layout;
mod legend;
mod meaning;
mod options;
mod page;
mod raster;
mod scene;
mod svg;
mod topics;
mod words;

use object_store::ObjectStoreExt;

use self::fonts::Fonts;
use self::layout::laid_out;
use self::options::{Kind, MOST, Options};
use self::scene::Scene;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::map_view::InOrder;

/// Writes a map to a file, whose name says what it is to be. One that is there is replaced, as by COPY.
pub async fn export(
    db: &Database,
    map: &str,
    place: &str,
    options: &[(String, String)],
) -> Result<()> {
    let kind = Kind::of(place)?;
    let options = Options::new(options, kind)?;
    let located = db.stores().open(place)?;
    let map = InOrder::open(db, map).await?;
    let bytes = match kind {
        Kind::Html => page::page(db, &map, options.title.as_deref()).await?.into_bytes(),
        Kind::Svg | Kind::Png => picture(db, &map, kind, &options).await?,
    };
    located.store.put(&located.path, bytes.into()).await?;
    Ok(())
}

async fn picture(db: &Database, map: &InOrder, kind: Kind, options: &Options) -> Result<Vec<u8>> {
    let scene = Scene::read(db, map, options).await?;
    let size = [options.width, options.height];
    let drawing = move || -> Result<(Vec<u8>, Option<char>)> {
        let fonts = Fonts::with(scene.words());
        let layout = laid_out(&scene, &fonts, size[0], size[1]);
        if kind == Kind::Png {
            let png = raster::drawn(&scene, &layout, &fonts, size)?;
            return Ok((png, fonts.missing.first().copied()));
        }
        let many = scene.places.len() > svg::MOST_POINTS;
        let points = match many {
            // Twice as fine as the picture, which is printed larger than it is seen.
            true => {
                let times = if size.iter().all(|side| *side <= MOST / 2) { 2 } else { 1 };
                Some(raster::png(&raster::points(&scene, &layout, size, times)?)?)
            }
            false => None,
        };
        Ok((svg::drawn(&scene, &layout, size, points.as_deref()).into_bytes(), None))
    };
    let drawn = tokio::task::spawn_blocking(drawing).await;
    let (picture, missing) = match drawn {
        Ok(drawn) => drawn?,
        Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
        Err(stopped) => return Err(Error::Invalid(format!("the picture was stopped: {stopped}"))),
    };
    if let Some(letter) = missing {
        db.notice(format!(
            "no font here has '{letter}', among others: install one that has, as Noto Sans CJK, or write .svg, which is drawn with the fonts of whoever looks at it"
        ));
    }
    Ok(picture)
}

/// The least and the most that places reach to on either axis.
fn bounds(places: &[[f32; 2]]) -> [[f32; 2]; 2] {
    let nothing = [[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]];
    places.iter().fold(nothing, |[low, high], [x, y]| {
        [[low[0].min(*x), low[1].min(*y)], [high[0].max(*x), high[1].max(*y)]]
    })
}
