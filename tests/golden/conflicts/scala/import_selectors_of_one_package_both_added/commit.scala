import shelf.{ Drawer }
import zoo.{ Ant, Bee }

object Shop
