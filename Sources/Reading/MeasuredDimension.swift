// SPDX-License-Identifier: Apache-2.0

/// What a number can measure, by its unit.
public enum MeasuredDimension: Sendable, Hashable, CaseIterable {
    case time, length, mass, speed, temperature, money, share, data, power, volume

    /// What a question for a number may measure, by its words in lower case: "how old", "how heavy", "the speed of"; empty where
    /// it does not say: how high a deposit is may be a sum, a share or two months' rent.
    public static func asked(_ words: [String]) -> Set<MeasuredDimension> {
        for index in words.indices.dropLast() where words[index] == "how" {
            switch words[index + 1] {
            case "old", "soon": return [.time]
            case "long": return [.time, .length]
            // "20 minutes by taxi" says how far as well.
            case "far": return [.length, .time]
            case "tall", "wide", "thick": return [.length]
            case "heavy": return [.mass]
            case "fast": return [.speed, .time, .data]
            case "hot", "cold", "warm": return [.temperature]
            case "much" where words.contains("weigh"): return [.mass]
            default: break
            }
        }
        for index in words.indices.dropLast() where ["of", "for", "per"].contains(words[index + 1]) {
            switch words[index] {
            case "speed", "velocity": return [.speed, .data, .time]
            // A part may have weight in a whole, and a course or a film a length in weeks or minutes.
            case "weight", "mass": return [.mass, .share]
            case "length", "distance": return [.length, .time, .data]
            case "height", "width", "depth", "diameter", "altitude", "elevation": return [.length]
            case "temperature": return [.temperature]
            case "price", "cost", "fare", "salary", "wage", "prices": return [.money, .share]
            case "percentage": return [.share]
            case "age", "duration": return [.time]
            default: break
            }
        }
        return []
    }

    /// The dimension of a word or a sign that stands at a number; nil for what is no unit. "m" and the like are lower case.
    public static func of(unit: String) -> MeasuredDimension? { units[unit] }

    private static let units: [String: MeasuredDimension] = {
        let lists: [(MeasuredDimension, String)] = [
            (
                .time,
                """
                second seconds sec secs minute minutes min mins hour hours hr hrs day days week weeks fortnight fortnights \
                month months year years decade decades century centuries ms yrs yr
                """
            ),
            (
                .length,
                """
                mm cm m km kms metre metres meter meters kilometre kilometres kilometer kilometers centimetres centimeters \
                millimetres millimeters mile miles foot feet ft inch inches yard yards
                """
            ),
            (
                .mass,
                "g kg kgs mg mgs gram grams kilogram kilograms kilo kilos tonne tonnes ton tons lb lbs ounce ounces oz"
            ),
            (.speed, "mph kmh kph knot knots"), (.temperature, "° degrees degree celsius fahrenheit kelvin"),
            (
                .money,
                """
                £ $ € ¥ euro euros eur gbp dollar dollars usd cent cents pence penny franc francs chf yen krone kroner sek nok \
                dkk yuan rupee rupees zloty quid
                """
            ),
            (.share, "% percent"), (.data, "kb mb gb tb kib mib gib tib byte bytes bit bits"),
            (.power, "w kw mw gw watt watts kilowatts megawatts kwh mwh"),
            (.volume, "l ml mls cl litre litres liter liters gallon gallons"),
        ]
        var units: [String: MeasuredDimension] = [:]
        for (dimension, list) in lists {
            for unit in list.split(separator: " ") { units[String(unit)] = dimension }
        }
        return units
    }()
}
